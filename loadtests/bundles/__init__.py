"""Bundles: finished runs as one file that anybody can check, and runs that came from another machine."""
