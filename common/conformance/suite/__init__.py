"""The conformance suite: the tests that a stack must pass before it is measured."""
