"""Frameworks, servers, base images and resource sizes: what exists, and which of it a user's names select."""
