"""Tests of ``loadtests.targets``."""
