"""The commands that measure, and what they take."""
