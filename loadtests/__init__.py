"""Measuring stacks: load generation, experiments, analysis and reports."""
