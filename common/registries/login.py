"""Logins to container registries: where they come from, and how they answer a registry's challenge."""

import os
import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field

import docker.auth
import httpx
import msgspec
from docker.errors import DockerException
from httpx import Request, Response
from msgspec import Struct

from common.errors import UsageError
from common.project import PROJECT


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A user and a password, or an identity token, which some registries give for them; ``repr`` has only the user."""

    user: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)

    def for_engine(self) -> dict[str, str]:
        """Return the login as the engine takes it with a request, without storing it."""
        if self.identity_token:
            return {"identitytoken": self.identity_token}
        return {"username": self.user, "password": self.password}


ANONYMOUS = Login()


def find_login(host: str, env: Mapping[str, str] = os.environ) -> Login | None:
    """Return the login in ``REGISTRY_USER`` and ``REGISTRY_PASSWORD``, else the one stored by ``docker login``."""
    user, password = env.get("REGISTRY_USER"), env.get("REGISTRY_PASSWORD")
    if (user is None) != (password is None):
        present, missing = ("REGISTRY_USER", "REGISTRY_PASSWORD")[:: 1 if password is None else -1]
        raise UsageError(f"{present} is set without {missing}: the environment must hold both or neither.")
    if user is not None and password is not None:
        return Login(user=user, password=password)
    try:
        entry = docker.auth.load_config().resolve_authconfig(host) or {}
    except DockerException as error:
        raise UsageError(f"cannot read the login for {host} from Docker's configuration: {error}") from error
    # A credential helper answers with capitalised names, the configuration file with small ones.
    stored = {name.casefold(): value for name, value in entry.items()}
    if stored.get("identitytoken"):
        return Login(identity_token=stored["identitytoken"])
    return Login(user=stored["username"], password=stored["password"]) if stored.get("password") else None


class _Token(Struct, frozen=True, kw_only=True):
    token: str = ""
    access_token: str = ""


def _read_token(response: Response) -> str:
    try:
        document = msgspec.json.decode(response.read(), type=_Token)
    except msgspec.DecodeError as error:
        raise httpx.DecodingError(f"{response.url} returned an invalid token: {error}") from error
    return document.token or document.access_token


class ChallengeAuth(httpx.Auth):
    """Answers a registry's challenge: ``Basic`` with the login, ``Bearer`` with a token obtained with the login."""

    def __init__(self, login: Login | None) -> None:
        self._identity_token = "" if login is None else login.identity_token
        by_password = None if login is None or login.identity_token else login
        self._basic = None if by_password is None else httpx.BasicAuth(by_password.user, by_password.password)

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        """Yield the request, and what a challenge calls for (httpx's protocol for authentication)."""
        response = yield request
        challenge = response.headers.get("WWW-Authenticate", "")
        scheme, _, rest = challenge.partition(" ")
        parameters = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        if response.status_code == httpx.codes.UNAUTHORIZED and scheme.casefold() == "bearer":
            token_response = yield self._token_request(parameters)
            if token_response.status_code != httpx.codes.OK:
                return  # httpx hands the last response to the caller, which takes 401 for a refusal
            request.headers["Authorization"] = f"Bearer {_read_token(token_response)}"
            yield request
        elif response.status_code == httpx.codes.UNAUTHORIZED and self._basic is not None:
            yield self._with_login(request)

    def _token_request(self, challenge: Mapping[str, str]) -> Request:
        """Return the request for the token that a challenge asks for (distribution's documentation, OAuth2)."""
        realm = challenge.get("realm", "")
        asked = {name: challenge[name] for name in ("service", "scope") if name in challenge}
        if not self._identity_token:
            return self._with_login(Request("GET", realm, params=asked))
        form = {"grant_type": "refresh_token", "client_id": PROJECT, "refresh_token": self._identity_token}
        return Request("POST", realm, data=form | asked)

    def _with_login(self, request: Request) -> Request:
        return request if self._basic is None else next(self._basic.auth_flow(request))
