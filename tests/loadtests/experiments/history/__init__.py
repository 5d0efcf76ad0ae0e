"""Tests of ``loadtests.experiments.history``."""
