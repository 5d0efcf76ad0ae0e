"""Tests of ``loadtests.reports``."""
