"""Experiments on the load generator itself: its cost, a second opinion, workers on other machines."""
