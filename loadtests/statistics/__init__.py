"""Intervals, paired comparisons and the spread of values: statistics of plain numbers. Everything here is pure."""
