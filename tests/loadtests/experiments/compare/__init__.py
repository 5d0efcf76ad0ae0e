"""Tests of ``loadtests.experiments.compare``."""
