"""Comparisons, ranks and verdicts computed from records. Everything here is pure."""
