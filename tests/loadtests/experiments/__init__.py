"""Tests of ``loadtests.experiments``."""
