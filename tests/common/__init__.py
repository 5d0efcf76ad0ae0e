"""Tests of ``common``, laid out as it is."""
