"""Tests of ``loadtests.timing``."""
