"""Tests of ``loadtests.scenarios``."""
