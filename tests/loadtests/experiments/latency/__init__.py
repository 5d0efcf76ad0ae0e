"""Tests of ``loadtests.experiments.latency``."""
