"""The page "per vCPU" beside Locust's own: the stack that is loaded, live, and all that were loaded before it."""

import logging
import os
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import gevent
import msgspec
from flask import Response, jsonify, request
from locust.env import Environment

from common.catalog.prices import load_prices
from common.catalog.sizes import Runtime
from common.console import Terminal
from common.errors import BenchmarkError, UsageError
from common.records.summary import Interval
from common.words import counted
from loadtests.campaign.store import RunFolder
from loadtests.page.model import make_page
from loadtests.page.sources import read_sources
from loadtests.page.writing import report, style_file, templates
from loadtests.reports.formatting import MB
from loadtests.scenarios.locust_users import scenario_of
from loadtests.scenarios.workloads import SCENARIOS
from loadtests.statistics.intervals import log_interval
from loadtests.users.options import options_of
from loadtests.web import recording
from loadtests.web.form import app_of, choices, fields, wanted_of, web_ui_of
from loadtests.web.guard import require_login
from loadtests.web.monitor import Monitor, Slice, of_record, per_cpu_values
from loadtests.web.switchboard import PASSWORD_VARIABLE, Offer, State, Switchboard

KEY = "per-vcpu"
TITLE = "per vCPU"
POLL_S = 0.2
LONGEST_START_S = 900.0
"""The time limit for building and starting a stack, after which the form gives up on it."""
TABLE = (
    ("stack", "Stack"), ("scenario", "Scenario"), ("per_cpu_s", "req/s per vCPU"), ("interval", "95 % over seconds"),
    ("p50", "p50 ms"), ("p99", "p99 ms"), ("failures", "Failures"), ("memory", "Memory MB"), ("seconds", "Seconds"),
)  # fmt: skip

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Measured:
    """A test that is over, or the one under way."""

    stack: str
    scenario: str
    users: int
    whole: Slice
    interval: Interval | None
    run: str = ""
    """Id of its run; empty where it was not recorded."""

    def row(self) -> dict[str, object]:
        """Return it as a row of the table."""
        interval = self.interval
        bounds = "" if interval is None or interval.low is None else f"{interval.low:,.0f} to {interval.high:,.0f}"
        return {
            "stack": self.stack,
            "scenario": f"{self.scenario}, {self.users} connections",
            "per_cpu_s": "-" if self.whole.per_cpu_s is None else f"{self.whole.per_cpu_s:,.0f}",
            "interval": bounds,
            "p50": _ms(self.whole.p50_s),
            "p99": _ms(self.whole.p99_s),
            "failures": f"{self.whole.failures:,}",
            "memory": "-" if self.whole.memory_bytes is None else f"{self.whole.memory_bytes / MB:,.1f}",
            "seconds": f"{self.whole.duration_s:.0f}",
        }


@dataclass(kw_only=True)
class Live:
    """Everything that the page shows."""

    environment: Environment
    board: Switchboard
    done: list[Measured] = field(default_factory=list)
    folders: list[RunFolder] = field(default_factory=list)
    begun: recording.Begun | None = None
    problem: str = ""
    """The reason why the last START did not work."""

    def __post_init__(self) -> None:
        self.monitor = Monitor(self.environment, self._begin)
        self._asked = 0

    @property
    def runtime(self) -> Runtime:
        """The runtime of the stacks that it brings up."""
        return Runtime(options_of(self.environment).stack_runtime)

    def listen(self) -> None:
        """Sample every test from its start to its stop."""
        add: Any = self.environment.events
        add.test_start.add_listener(lambda **_: self.monitor.start(self.board.offered().cpu_meter))
        add.test_stopping.add_listener(lambda **_: self.end())

    def end(self) -> None:
        """Keep what the test has shown."""
        if not self.monitor.is_running:
            return
        self.monitor.stop()
        begun, self.begun = self.begun, None
        recorded = None if begun is None else recording.finish(self.environment, begun)
        if (current := self.current()) is None:
            return
        self.done.append(current)
        if recorded is not None:
            folder, load = recorded
            self.folders.append(folder)
            current.run, current.whole = folder.folder.name, of_record(current.whole, load)

    def current(self) -> Measured | None:
        """Return the test under way, or the last one; ``None`` before its first second is over."""
        whole, classes = self.monitor.whole(), self.environment.user_classes
        if whole is None or not classes:
            return None
        return Measured(
            stack=self.board.offered().name,
            scenario=scenario_of(classes[0]).name(),
            users=self.environment.runner.user_count if self.environment.runner else 0,
            whole=whole,
            interval=log_interval(per_cpu_values(self.monitor.slices())),
        )

    def table(self) -> list[dict[str, object]]:
        """Return a row for each test, the one under way last."""
        current = [self.current()] if self.monitor.is_running else []
        return [one.row() for one in [*self.done, *current] if one is not None]

    def switch(self, form: Mapping[str, str]) -> str | None:
        """Have the stack that the form names brought up; return why that failed, ``None`` once it is up."""
        offer = self.board.offered()
        try:
            wanted = wanted_of(form, offer, self.runtime)
        except UsageError as error:
            return str(error)
        if wanted is None:
            return None if offer.state is State.UP else f"{offer.message}. Choose a stack, or wait."
        runner = self.environment.runner
        if runner is not None:
            runner.stop()
        self._asked = max(self._asked, offer.number) + 1
        self.board.ask(msgspec.structs.replace(wanted, number=self._asked))
        return self._wait_for(self._asked)

    def _wait_for(self, number: int) -> str | None:
        waited_s = 0.0
        while (offer := self.board.offered()).number < number or offer.state is State.STARTING:
            gevent.sleep(POLL_S)
            waited_s += POLL_S
            if waited_s > LONGEST_START_S:
                return f"nothing came up within {LONGEST_START_S:g} s"
        if offer.state is State.FAILED:
            return offer.message
        self.environment.host = offer.url
        return None

    def _begin(self) -> None:
        self.begun = recording.begin(self.environment, self.board.offered())

    def data(self) -> dict[str, Any]:
        """Return what the page polls."""
        offer, runner = self.board.offered(), self.environment.runner
        return {
            "state": runner.state if runner else "missing",
            "users": runner.user_count if runner else 0,
            "stack": offer.name,
            "stack_state": offer.state,
            "message": self.problem or offer.message,
            "vcpu": offer.size.vcpu,
            "verdict": verdict(self.monitor.whole(), offer, options_of(self.environment)),
            "slices": [asdict(one) for one in self.monitor.slices()],
            "tests": self.table(),
            "runs": [one.folder.name for one in self.folders],
        }


def verdict(whole: Slice | None, offer: Offer, options: Namespace) -> str:
    """Return what is thought of the figures as they stand, in words."""
    if whole is None:
        return "nothing is measured yet"
    if whole.failures:
        return f"wrong-answers: {counted(whole.failures, 'request')} failed"
    if whole.per_cpu_s is None:
        return "wall-only: the server's CPU time cannot be read"
    if set(offer.server_cores) & set(options.cores or os.sched_getaffinity(0)):
        return "shared-core: the load generator may use the server's cores"
    busy = (whole.server_cpu or 0) / offer.size.vcpu
    return f"one server, so no rank; it uses {busy:.0%} of its vCPUs"


def open_live(environment: Environment) -> None:
    """Add the page, the tab and the checks to the web UI that ``make web`` started."""
    web_ui, options = web_ui_of(environment), options_of(environment)
    live = Live(environment=environment, board=Switchboard(folder=Path(options.switchboard)))
    offer = live.board.offered()
    environment.host = offer.url or environment.host
    live.listen()
    if web_ui.web_login:
        require_login(web_ui, os.environ.get(PASSWORD_VARIABLE, ""))
    _add_routes(live)
    _add_tab(live)
    _add_fields(live)


def _add_routes(live: Live) -> None:
    web_ui = web_ui_of(live.environment)
    base = (options_of(live.environment).web_base_path or "").rstrip("/")
    protected: Any = web_ui.auth_required_if_enabled
    app = app_of(live.environment)

    def page() -> Response:
        return Response(_page(live, base), mimetype="text/html")

    def data() -> Response:
        return jsonify(live.data())

    def report_page() -> Response | tuple[str, int]:
        try:
            return Response(report(make_page(read_sources(live.folders, Terminal()), load_prices())),
                            mimetype="text/html")  # fmt: skip
        except BenchmarkError as error:
            return str(error), 404

    for path, view in ((f"/{KEY}", page), (f"/{KEY}/data", data), (f"/{KEY}/report", report_page)):
        app.add_url_rule(f"{base}{path}", f"{KEY}{path}", protected(view))

    def before() -> Response | None:
        if request.method != "POST" or request.path != f"{base}/swarm":
            return None
        live.problem = live.switch(request.form) or ""
        if live.problem:
            return jsonify({"success": False, "message": live.problem, "host": live.environment.host})
        _set_host(live.board.offered().url)
        return None

    app.before_request(before)


def _set_host(url: str) -> None:
    """Have Locust load the stack that is up, whatever address its form still shows."""
    fields = [(name, value) for name, value in request.form.items(multi=True) if name != "host"]
    request.form = type(request.form)([*fields, ("host", url)])


def _add_tab(live: Live) -> None:
    web_ui = web_ui_of(live.environment)
    base = (options_of(live.environment).web_base_path or "").rstrip("/")
    web_ui.template_args |= {
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
            fields(live.board.offered(), live.runtime) | web_ui.template_args["extra_options"]
        )

    web_ui.update_template_args = update_with_fields  # Locust calls it whenever it shows its page


def _page(live: Live, base: str) -> str:
    offered = choices(live.board.offered(), live.runtime)
    return (
        templates()
        .get_template("per_vcpu.html")
        .render(
            base=base,
            frameworks=offered["framework"],
            servers=offered["server"],
            images=offered["image"],
            quotas=offered["memory"] is None,
            scenarios={name: (one.__doc__ or "").strip() for name, one in SCENARIOS.items()},
            offer=live.board.offered(),
            options=options_of(live.environment),
            table=TABLE,
            charts_style=style_file("charts.css"),
            dark=style_file("dark.css"),
        )
    )


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.2f}"
