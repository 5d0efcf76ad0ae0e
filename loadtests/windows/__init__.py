"""One window on a running server: by Locust, by wrk, or by a second Fargate task."""
