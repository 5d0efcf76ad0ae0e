"""Tests of loadtests.bundles."""
