"""The Docker engine: building images, looking into them, and containers that are removed even after a crash."""
