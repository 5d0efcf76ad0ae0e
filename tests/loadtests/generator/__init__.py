"""Tests of ``loadtests.generator``."""
