"""Tests of ``loadtests.experiments.extras``."""
