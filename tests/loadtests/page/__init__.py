"""Tests of ``loadtests.page``."""
