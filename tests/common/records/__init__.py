"""Tests of ``common.records``."""
