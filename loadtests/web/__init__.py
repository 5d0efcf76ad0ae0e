"""Locust's web UI, on stacks that are brought up for it."""
