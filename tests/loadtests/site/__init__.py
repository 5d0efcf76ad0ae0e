"""Tests of ``loadtests.site``."""
