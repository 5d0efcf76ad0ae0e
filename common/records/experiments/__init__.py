"""The records of each experiment but the load test, one module each."""
