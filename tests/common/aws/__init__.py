"""Tests of ``common.aws``."""
