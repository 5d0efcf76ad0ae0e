"""Tests of ``loadtests.experiments.sizes``."""
