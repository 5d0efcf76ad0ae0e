"""Tests of ``loadtests.web``."""
