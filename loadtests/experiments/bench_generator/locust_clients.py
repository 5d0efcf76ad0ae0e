"""Locust's own clients on ``/hello``, which ``make bench-generator`` compares with ours."""

from locust import FastHttpUser, HttpUser, task


class Fast(FastHttpUser):
    """Locust's faster client, geventhttpclient."""

    @task
    def hello(self) -> None:
        """One request; Locust checks its status."""
        self.client.get("/hello")


class Plain(HttpUser):
    """Locust's usual client, Requests."""

    @task
    def hello(self) -> None:
        """One request; Locust checks its status."""
        self.client.get("/hello")
