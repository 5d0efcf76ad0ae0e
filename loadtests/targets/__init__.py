"""Servers that do nothing but answer: what the load generator is measured against, and its ceiling."""
