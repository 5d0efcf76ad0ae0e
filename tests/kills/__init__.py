"""Kills commands at random moments, and looks for what they leave: ``python -m tests.kills --count=200``."""
