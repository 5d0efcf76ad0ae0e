"""Tests of ``common.registries``."""
