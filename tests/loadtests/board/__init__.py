"""Tests of ``loadtests.board``."""
