"""Tests of ``loadtests.statistics``."""
