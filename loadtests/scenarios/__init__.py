"""The workloads: one class in one module each, found by ``registry``."""
