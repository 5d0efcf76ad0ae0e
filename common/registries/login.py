"""Logins to container registries: where they come from, and how a registry's challenge is answered with one."""

import os
import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field

import docker.auth
import httpx
from docker.errors import DockerException
from httpx import Request, Response

from common.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A name and a password; the password is in no representation of it."""

    user: str
    password: str = field(repr=False)

    def for_engine(self) -> dict[str, str]:
        """As the engine takes it with a request, so that no configuration keeps it."""
        return {"username": self.user, "password": self.password}


ANONYMOUS = Login(user="", password="")


def find_login(host: str, env: Mapping[str, str] = os.environ) -> Login | None:
    """The login for a registry: ``REGISTRY_USER`` and ``REGISTRY_PASSWORD``, else what ``docker login`` has kept."""
    user, password = env.get("REGISTRY_USER"), env.get("REGISTRY_PASSWORD")
    if (user is None) != (password is None):
        given, missing = ("REGISTRY_USER", "REGISTRY_PASSWORD")[:: 1 if password is None else -1]
        raise UsageError(f"{given} is set without {missing}. Accepted: both in the environment, or neither.")
    if user is not None and password is not None:
        return Login(user=user, password=password)
    try:
        found = docker.auth.load_config().resolve_authconfig(host) or {}
    except DockerException as error:
        raise UsageError(f"Docker's configuration gives no login for {host}: {error}") from error
    kept = {name.casefold(): value for name, value in found.items()}
    return Login(user=kept["username"], password=kept["password"]) if kept.get("password") else None


class Challenged(httpx.Auth):
    """Answers a registry's challenge: ``Basic`` with the login, ``Bearer`` with the token that the login gets."""

    def __init__(self, login: Login | None) -> None:
        self._basic = None if login is None else httpx.BasicAuth(login.user, login.password)

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        """As httpx drives it."""
        response = yield request
        challenge = response.headers.get("WWW-Authenticate", "")
        scheme, _, rest = challenge.partition(" ")
        parameters = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        if response.status_code == httpx.codes.UNAUTHORIZED and scheme.casefold() == "bearer":
            asked = {name: parameters[name] for name in ("service", "scope") if name in parameters}
            token = yield self._signed(Request("GET", parameters.get("realm", ""), params=asked))
            if token.status_code != httpx.codes.OK:
                return
            token.read()
            answer = token.json()
            request.headers["Authorization"] = f"Bearer {answer.get('token') or answer.get('access_token')}"
            yield request
        elif response.status_code == httpx.codes.UNAUTHORIZED and self._basic is not None:
            yield self._signed(request)

    def _signed(self, request: Request) -> Request:
        return request if self._basic is None else next(self._basic.auth_flow(request))
