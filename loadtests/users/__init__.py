"""Locust users for HTTP/1.1 at the cost of wrk: one loop over all connections, answers checked, times in histograms."""
