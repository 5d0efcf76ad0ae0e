"""Tests of ``loadtests.experiments.distributed``."""
