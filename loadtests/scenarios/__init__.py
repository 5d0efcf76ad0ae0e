"""The workloads: one class each, and the Locust users made from them."""
