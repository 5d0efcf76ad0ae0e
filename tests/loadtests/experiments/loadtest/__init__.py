"""Tests of ``loadtests.experiments.loadtest``."""
