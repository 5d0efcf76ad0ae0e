"""Tests of ``common.runtimes``."""
