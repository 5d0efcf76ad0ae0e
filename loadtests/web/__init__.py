"""Locust's web UI on a stack."""
