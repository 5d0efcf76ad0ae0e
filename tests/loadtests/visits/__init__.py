"""Tests of ``loadtests.visits``."""
