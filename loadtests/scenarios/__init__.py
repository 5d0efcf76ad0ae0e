"""The workloads, and those that climb by steps until an objective breaks."""
