"""Tests of ``common.host``."""
