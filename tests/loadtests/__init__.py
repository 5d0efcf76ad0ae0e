"""Tests of the load generator, the runner, the analysis and the report."""
