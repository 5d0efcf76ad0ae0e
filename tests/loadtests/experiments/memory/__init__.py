"""Tests of ``loadtests.experiments.memory``."""
