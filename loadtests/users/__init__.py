"""Locust users for HTTP/1.1 that cost about as little CPU time as wrk, with every response checked."""
