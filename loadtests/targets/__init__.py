"""Servers that only answer, against which the load generator and its ceiling are measured."""
