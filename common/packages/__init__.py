"""Python packages: locks, the environments made from them, and other versions of a framework."""
