"""Tests of ``loadtests.profiles``."""
