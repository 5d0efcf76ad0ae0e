"""Tests of ``loadtests.cli``."""
