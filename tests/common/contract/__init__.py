"""Tests of ``common.contract``."""
