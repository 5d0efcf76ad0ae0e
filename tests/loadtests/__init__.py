"""Tests of ``loadtests``, laid out as it is."""
