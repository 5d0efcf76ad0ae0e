"""Measurements of the harness itself that need a quiet machine: commands, not tests."""
