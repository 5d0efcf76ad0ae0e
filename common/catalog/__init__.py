"""Frameworks, servers, base images, sizes and prices, and their selection by name."""
