"""Tests of ``loadtests.experiments.startup``."""
