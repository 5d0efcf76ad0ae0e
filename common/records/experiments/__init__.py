"""The records of all experiments but the load test."""
