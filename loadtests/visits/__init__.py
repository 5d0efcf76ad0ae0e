"""Measurements of one fresh subject: a server, a start, a pull, an image."""
