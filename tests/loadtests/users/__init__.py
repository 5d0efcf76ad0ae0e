"""Tests of ``loadtests.users``."""
