"""What can be chosen: frameworks, servers, base images, sizes and prices, and how users select them by name."""
