"""Tests of ``loadtests.summaries``."""
