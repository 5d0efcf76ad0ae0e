"""Tests of ``loadtests.experiments.crosscheck``."""
