"""The same tasks over Locust's FastHttpUser: for TLS, and for what only its client does (proxies, redirects, cookies).

    class FastVisitor(FastUser):
        tasks = Visitor.tasks

It costs about ten times the CPU of a ``KeepAliveUser``, and Locust counts its answers, with its rounded times.
"""

from typing import Any

from locust import FastHttpUser

from .answers import Request


class FastUser(FastHttpUser):
    """A FastHttpUser whose tasks say what to send to ``sends``, and whose answers are checked."""

    abstract = True

    def sends(self, request: Request) -> None:
        """Send the request now, and count its answer as good only where status and body are."""
        send: Any = self.client.request  # its annotations do not know of bytes, nor of catch_response
        with send(
            request.method,
            request.path,
            name=request.label,
            headers=dict(request.headers),
            data=request.body or None,
            allow_redirects=False,
            catch_response=True,
        ) as response:
            if not response.status_code:
                response.failure(str(response.error))
            elif (reason := request.fault(response.status_code, response.content or b"")) is not None:
                response.failure(reason)
            else:
                response.success()
