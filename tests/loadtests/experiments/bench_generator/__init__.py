"""Tests of ``loadtests.experiments.bench_generator``."""
