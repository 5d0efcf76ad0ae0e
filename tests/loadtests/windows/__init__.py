"""Tests of ``loadtests.windows``."""
