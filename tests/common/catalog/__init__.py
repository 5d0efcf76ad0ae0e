"""Tests of ``common.catalog``."""
