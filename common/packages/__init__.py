"""Python packages: locks, the environments created from them, and variants of a framework at other versions."""
