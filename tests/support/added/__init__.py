"""Packages that tests install beside the project."""
