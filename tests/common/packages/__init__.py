"""Tests of ``common.packages``."""
