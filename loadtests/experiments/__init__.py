"""What can be measured: each experiment declares its cells, its visit, its figures and its table."""
