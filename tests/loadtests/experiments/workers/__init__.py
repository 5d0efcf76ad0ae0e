"""Tests of ``loadtests.experiments.workers``."""
