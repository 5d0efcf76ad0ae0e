"""Tests of ``loadtests.analysis``."""
