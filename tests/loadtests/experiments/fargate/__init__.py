"""Tests of ``loadtests.experiments.fargate``."""
