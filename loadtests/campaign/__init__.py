"""Runs of any experiment: plan, loop, store, resume."""
