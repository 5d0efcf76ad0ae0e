"""Capacity plans: a model of one task under load, the cheapest tasks for a rate, their files, and their proof."""
