"""Tests of ``loadtests.experiments.causes``."""
