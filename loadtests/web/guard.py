"""Protection of the web UI: its own pages, called by its own name, and programs may use it, after the login if any.

Locust allows every origin, so any website that is open in the same browser could start and stop tests and read their
figures; and a name of somebody else's that resolves to this machine (DNS rebinding) would make its pages look like our
own. Its login is checked by each route, after the hooks before it have run.
"""

import ipaddress
import os
import secrets
import socket
from collections.abc import Collection
from urllib.parse import urlsplit

from flask import Flask, Response, jsonify, redirect, request, session, url_for
from flask_login import UserMixin, current_user, login_user
from flask_login.utils import login_url
from locust.web import WebUI
from werkzeug.datastructures import Headers
from werkzeug.wrappers import Response as Redirection

from common.errors import UsageError
from common.host.network import WILDCARDS
from loadtests.web.switchboard import PASSWORD_VARIABLE, USER

READS = frozenset({"GET", "HEAD"})
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
SAME_SITE = frozenset({"", "same-origin", "none"})
"""The values by which a browser marks a request that no other site made; other programs send none."""
PAGES = frozenset({"locust.index", "locust.login", "per-vcpu/per-vcpu"})
"""The endpoints that a link on another site may lead to."""
WITHOUT_LOGIN = frozenset({"locust.login", "locust.send_assets", "login_submit"})


def guard(web_ui: WebUI) -> None:
    """Check every request before all hooks and routes: those that exist and those that are added later.

    With ``--web-login``, ask for the password; ``UsageError`` if none was passed.
    """
    assert web_ui.app is not None
    app, names = web_ui.app, names_of(web_ui.host or "")
    if web_ui.web_login:
        _add_login(app, web_ui)

    def before() -> Response | Redirection | tuple[Response, int] | None:
        is_page = request.endpoint in PAGES and request.method in READS
        if (reason := refusal(request.headers, names, is_page=is_page)) is not None:
            return _refused(reason), 403
        if not web_ui.web_login or request.endpoint in WITHOUT_LOGIN or current_user.is_authenticated:
            return None
        if is_page:
            return redirect(login_url("locust.login", request.url))
        return _refused(f"{request.path} needs a login. Log in at {url_for('locust.login')} first."), 401

    app.before_request_funcs.setdefault(None, []).insert(0, before)
    app.after_request_funcs.setdefault(None, []).insert(0, _closed_to_other_sites)  # called in reverse: the last of all


def _refused(reason: str) -> Response:
    return jsonify({"success": False, "message": reason})


def _closed_to_other_sites(response: Response) -> Response:
    """Withdraw every site's permission to read a response, and forbid frames on other sites."""
    for name in [name for name, _ in response.headers if name.lower().startswith("access-control-")]:
        del response.headers[name]
    response.headers["Content-Security-Policy"] = "frame-ancestors 'none'"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    return response


def refusal(headers: Headers, names: Collection[str], *, is_page: bool) -> str | None:
    """Return why a request is refused; ``None`` where it is accepted.

    Browsers say with each request where it comes from, by one of three headers at least. One without them comes from a
    program. A link elsewhere may lead to a page, which its site cannot read.
    """
    host, origin, referrer = headers.get("Host", ""), headers.get("Origin"), headers.get("Referer")
    if not is_own(host, names):
        return f"Host {host or '(none)'} is not a name of this page. Accepted: {_accepted(names)}."
    if is_page and origin is None and _is_link(headers):
        return None
    for place in (referrer,) if origin is None else (origin,):
        if place is not None and _place(place) != host.casefold():
            return f"{place} may not use this page. Accepted: requests of its own and of programs."
    if (site := headers.get("Sec-Fetch-Site", "")) not in SAME_SITE:
        return f"A {site} request may not use this page. Accepted: requests of its own and of programs."
    return None


def names_of(host: str) -> frozenset[str]:
    """Return the names of a web UI that listens on ``host``; nothing stands for every address, as for Locust."""
    is_everywhere = not host or host in WILDCARDS
    return frozenset({host or min(WILDCARDS), socket.gethostname()} if is_everywhere else {host})


def is_own(host: str, names: Collection[str]) -> bool:
    """Return whether a ``Host`` header names us: by a name we are given, by loopback, or where allowed by an address.

    A name that is ``0.0.0.0`` or ``::`` stands for every address of this machine, which no rebinding can imitate: that
    needs a name.
    """
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name in LOOPBACK | {allowed.casefold() for allowed in names} or (
        _is_address(name) and not WILDCARDS.keys().isdisjoint(names)
    )


def _accepted(names: Collection[str]) -> str:
    every = [] if WILDCARDS.keys().isdisjoint(names) else ["every IP address"]
    return ", ".join([*sorted(LOOPBACK | {*names} - WILDCARDS.keys()), *every])


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_link(headers: Headers) -> bool:
    """Return whether a browser fetches a page to show it in a window of its own."""
    sent = (headers.get("Sec-Fetch-Mode", "navigate"), headers.get("Sec-Fetch-Dest", "document"))
    return sent == ("navigate", "document")


def _place(address: str) -> str:
    """Return the host and port of a URL; for ``null``, a value that no host has."""
    try:
        return urlsplit(address).netloc.casefold()
    except ValueError:
        return ""


class _User(UserMixin):  # type: ignore[misc]
    """Whoever knows the password."""

    id = USER


def _add_login(app: Flask, web_ui: WebUI) -> None:
    """Have Locust's login page ask for the password; ``UsageError`` if none was passed."""
    if not (password := os.environ.get(PASSWORD_VARIABLE, "")):
        raise UsageError(f"--web-login needs a password. Set {PASSWORD_VARIABLE}, or leave --web-login out.")
    app.secret_key = secrets.token_bytes(32)
    app.config |= {
        "SESSION_COOKIE_NAME": f"session-{web_ui.port}",  # all ports of a host share its cookies
        "SESSION_COOKIE_SAMESITE": "Strict",
        "SESSION_COOKIE_SECURE": bool(web_ui.tls_cert),
    }
    web_ui.login_manager.user_loader(lambda name: _User() if name == USER else None)
    web_ui.auth_args = {"username_password_callback": "/login_submit"}

    @app.route("/login_submit", methods=["POST"])
    def login_submit() -> Redirection:
        given = f"{request.form.get('username')} {request.form.get('password')}"
        if secrets.compare_digest(given.encode(), f"{USER} {password}".encode()):
            login_user(_User())
            return redirect(url_for("locust.index"))
        session["auth_error"] = "Invalid user or password"
        return redirect(url_for("locust.login"))
