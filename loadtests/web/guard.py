"""Protection of the web UI: only its own pages, called by its own name, may change anything.

Locust allows every origin, so any website that is open in the same browser could start and stop tests; and a name of
somebody else's that resolves to this machine (DNS rebinding) would make its pages look like our own.
"""

import ipaddress
import secrets
from collections.abc import Collection
from urllib.parse import urlsplit

from flask import Flask, Response, jsonify, redirect, request, session, url_for
from flask_login import UserMixin, login_user
from locust.web import WebUI

from common.host.network import WILDCARDS
from loadtests.web.switchboard import USER

READS = frozenset({"GET", "HEAD", "OPTIONS"})
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
SAME_SITE = frozenset({"", "same-origin", "none"})
"""The values by which a browser marks a request that no other site made; other programs send none."""


def guard(app: Flask, names: Collection[str]) -> None:
    """Have every request refused that changes something and comes from another page, or calls us by a foreign name.

    ``names`` are accepted besides those of the loopback address.
    """

    def before() -> tuple[Response, int] | None:
        if request.method in READS:
            return None
        headers = request.headers
        reason = refusal(
            host=headers.get("Host", ""),
            origin=headers.get("Origin"),
            referrer=headers.get("Referer"),
            site=headers.get("Sec-Fetch-Site", ""),
            names=names,
        )
        return None if reason is None else (jsonify({"success": False, "message": reason}), 403)

    app.before_request_funcs.setdefault(None, []).insert(0, before)


def refusal(*, host: str, origin: str | None, referrer: str | None, site: str, names: Collection[str]) -> str | None:
    """Return why a request that changes something is refused; ``None`` where it is accepted.

    Browsers send an origin with each such request. One without comes from a program, unless it says otherwise.
    """
    if not is_own(host, names):
        return (
            f"Host {host or '(none)'} is not a name of this page. Accepted: {', '.join(sorted(LOOPBACK | set(names)))}."
        )
    if origin is not None and _place(origin) != host.casefold():
        return f"Origin {origin} may not change anything here. Accepted: this page's own."
    if origin is None and referrer is not None and _place(referrer) != host.casefold():
        return f"{referrer} may not change anything here. Accepted: this page's own."
    if site not in SAME_SITE:
        return f"A {site} request may not change anything here. Accepted: this page's own."
    return None


def is_own(host: str, names: Collection[str]) -> bool:
    """Return whether a ``Host`` header names us: by a name we are given, by loopback, or where allowed by an address.

    A name that is ``0.0.0.0`` or ``::`` stands for every address of this machine, which no rebinding can imitate: that
    needs a name.
    """
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name in LOOPBACK | {one.casefold() for one in names} or (
        _is_address(name) and bool(WILDCARDS.keys() & set(names))
    )


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _place(address: str) -> str:
    """Return the host and port of a URL; of ``null``, what no host is."""
    try:
        return urlsplit(address).netloc.casefold()
    except ValueError:
        return ""


class _User(UserMixin):  # type: ignore[misc]
    """Whoever knows the password."""

    id = USER


def require_login(web_ui: WebUI, password: str) -> None:
    """Have Locust ask for the password before it shows or does anything."""
    assert web_ui.app is not None
    web_ui.app.secret_key = secrets.token_bytes(32)
    web_ui.app.config["SESSION_COOKIE_SAMESITE"] = "Strict"
    web_ui.login_manager.user_loader(lambda name: _User() if name == USER else None)
    web_ui.auth_args = {"username_password_callback": "/login_submit"}

    @web_ui.app.route("/login_submit", methods=["POST"])
    def login_submit() -> Response:
        given = (request.form.get("username", ""), request.form.get("password", ""))
        if secrets.compare_digest(given[1].encode(), password.encode()) and given[0] == USER:
            login_user(_User())
            return redirect(url_for("locust.index"))  # type: ignore[return-value]
        session["auth_error"] = "Invalid user or password"
        return redirect(url_for("locust.login"))  # type: ignore[return-value]
