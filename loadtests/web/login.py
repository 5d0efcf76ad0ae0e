"""Locust's login, with the one password that this web UI was started with."""

import secrets

from flask import Response, redirect, request, session, url_for
from flask_login import UserMixin, login_user
from locust.web import WebUI

from loadtests.web.switchboard import USER


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
