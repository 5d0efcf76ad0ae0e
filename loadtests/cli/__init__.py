"""The commands that measure, and their parameters."""
