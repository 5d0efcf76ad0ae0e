"""Intervals, paired comparisons, spreads and slow passes: statistics of plain numbers. Everything here is pure."""
