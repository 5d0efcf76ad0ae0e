"""Tests of the conformance suite: it passes a correct server and catches faulty ones."""
