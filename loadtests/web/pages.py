"""The pages "per vCPU" and its reports beside Locust's own, and what they add to those."""

from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec
from flask import Response, jsonify, request
from locust import User
from locust.env import Environment

from common.catalog.prices import load_prices
from common.console import Terminal
from common.errors import BenchmarkError
from loadtests.page.model import make_page
from loadtests.page.sources import read_sources
from loadtests.page.writing import report, style_file, templates
from loadtests.scenarios.locust_users import scenario_of
from loadtests.scenarios.workloads import SCENARIOS
from loadtests.users.options import options_of
from loadtests.web.form import app_of, fields_of, web_ui_of
from loadtests.web.live import Live
from loadtests.web.menu import FIELDS, fields, vcpus
from loadtests.web.switchboard import Switchboard

KEY = "per-vcpu"
STACK_FIELDS = tuple(variable.lower() for variable in FIELDS)
"""The fields that choose the stack."""
TITLE = "per vCPU"
TABLE = (
    ("stack", "Stack"), ("scenario", "Scenario"), ("per_cpu_s", "req/s per vCPU"), ("interval", "95 % over seconds"),
    ("p50", "p50 ms"), ("p99", "p99 ms"), ("failures", "Failures"), ("memory", "Memory MB"), ("seconds", "Seconds"),
    ("verdict", "Verdict"), ("run", "Run"),
)  # fmt: skip


def open_live(environment: Environment) -> Live:
    """Add the page, the tab and the checks to the web UI that ``make web`` started."""
    options = options_of(environment)
    live = Live(environment=environment, board=Switchboard(folder=Path(options.switchboard)), left_s=options.left_s)
    environment.host = live.board.offered().url or environment.host
    live.listen()
    app_of(environment).before_request(_refuse_other_users)
    _add_routes(live)
    _add_tab(live)
    _add_fields(live)
    return live


def _refuse_other_users() -> tuple[str, int] | None:
    """Refuse the route of Locust's that sets any attribute of a user class."""
    if request.endpoint != "locust.update_user":
        return None
    return "The users of make web cannot be changed. Choose a scenario on the form.", 403


def bring_up(live: Live, users: Sequence[type[User]]) -> str | None:
    """Bring up what the form of this request asks for, to be loaded by these users next; return why that failed."""
    if (reason := live.switch(request.form, scenario_of(users[0]))) is not None:
        return reason
    # Locust loads what is up, whatever address its form still shows.
    kept = [(name, value) for name, value in request.form.items(multi=True) if name != "host"]
    request.form = type(request.form)([*kept, ("host", live.board.offered().url)])
    return None


def _base(live: Live) -> str:
    return (options_of(live.environment).web_base_path or "").rstrip("/")


def _add_routes(live: Live) -> None:
    protected: Any = web_ui_of(live.environment).auth_required_if_enabled
    app, base = app_of(live.environment), _base(live)

    def page() -> Response:
        return Response(_page(live, base), mimetype="text/html")

    def data() -> Response:
        return jsonify(live.data())

    def report_page() -> Response | tuple[str, int]:
        wanted = request.args.get("run")
        folders = [folder for folder in live.folders if wanted in {None, folder.folder.name}]
        try:
            page = report(make_page(read_sources(folders, Terminal()), load_prices()))
        except BenchmarkError as error:
            return str(error), 404
        return Response(page, mimetype="text/html")

    for path, view in ((f"/{KEY}", page), (f"/{KEY}/data", data), (f"/{KEY}/report", report_page)):
        app.add_url_rule(f"{base}{path}", f"{KEY}{path}", protected(view))

    def before() -> None:
        if request.method == "POST" and request.path == f"{base}/stop":
            live.withdraw()

    def after(response: Response) -> Response:
        if response.status_code == 200:  # noqa: PLR2004 -- nobody is sent to the login
            live.seen_at_s = monotonic()
        return response

    app.before_request(before)
    app.after_request(after)


def _add_tab(live: Live) -> None:
    base = _base(live)
    web_ui_of(live.environment).template_args |= {
        "extended_tabs": [{"title": TITLE, "key": KEY}],
        "extended_tables": [{"key": KEY, "structure": [{"key": key, "title": title} for key, title in TABLE]}],
    }
    link = f'<a href="{base}/{KEY}" style="position:fixed;left:1rem;bottom:1rem;z-index:9;padding:.5rem .9rem;'
    link += f'background:#0b5cab;color:#fff;border-radius:4px;font:15px system-ui">{TITLE}: live charts</a></body>'

    def after(response: Response) -> Response:
        if request.path == f"{base}/stats/requests" and response.is_json:
            added = {"extended_stats": [{"key": KEY, "data": live.table()}]}
            response.set_data(msgspec.json.encode({**(response.json or {}), **added}))
        elif request.path in {f"{base}/", base} and response.mimetype == "text/html":
            response.set_data(response.get_data(as_text=True).replace("</body>", link))
        return response

    app_of(live.environment).after_request(after)


def _add_fields(live: Live) -> None:
    """Add the choice of the stack to the parameters on Locust's own form, which sends them with every START."""
    web_ui: Any = web_ui_of(live.environment)
    update = web_ui.update_template_args

    def update_with_fields() -> None:
        update()
        web_ui.template_args["extra_options"] = (
            fields(live.board.offered(), live.menu) | web_ui.template_args["extra_options"]
        )

    web_ui.update_template_args = update_with_fields  # Locust calls it whenever it shows its page


def _page(live: Live, base: str) -> str:
    offer = live.board.offered()
    scenarios = {
        name: {"about": (scenario.__doc__ or "").strip(), "fields": sorted(fields_of(scenario)), "app": scenario.app}
        for name, scenario in SCENARIOS.items()
    }
    return (
        templates()
        .get_template("per_vcpu.html")
        .render(
            base=base,
            menu=msgspec.to_builtins(live.menu),
            vcpus=vcpus(live.menu),
            memory=offer.size.memory,
            left_s=live.left_s,
            scenarios=scenarios,
            offer=offer,
            options=options_of(live.environment),
            table=TABLE,
            charts_style=style_file("charts.css"),
            dark=style_file("dark.css"),
        )
    )
