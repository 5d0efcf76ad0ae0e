"""The workloads: one class each."""
