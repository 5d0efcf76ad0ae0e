"""Intervals, paired comparisons and spreads: statistics of plain numbers. Everything here is pure."""
