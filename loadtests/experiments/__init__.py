"""The experiments. Each declares its cells, its visit, its figures and its table."""
