"""The tests that every stack passes before it is measured."""
