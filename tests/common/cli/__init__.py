"""Tests of ``common.cli``."""
