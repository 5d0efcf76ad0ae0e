"""Tests of ``common.engine``."""
