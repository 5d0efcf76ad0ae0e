"""Tests of ``common.conformance``."""
