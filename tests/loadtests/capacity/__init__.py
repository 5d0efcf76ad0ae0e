"""Tests of ``loadtests.capacity``."""
