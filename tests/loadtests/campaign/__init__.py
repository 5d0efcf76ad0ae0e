"""Tests of ``loadtests.campaign``."""
