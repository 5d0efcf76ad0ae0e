"""A test in the web UI as a run on disk: one stack, one window from the moment all connections are open to its end."""

from dataclasses import dataclass, field

import psutil
from locust.env import Environment
from locust.runners import LocalRunner

from common.errors import FailedError
from common.host.folders import remove_folder
from common.host.meters import CpuReading
from common.records.load import Arrivals, LoadSpec, Rate, Setup
from common.records.run import LoadRun, Stopping
from common.records.summary import CellSummary, Summary
from common.records.window import Load, Window
from loadtests.campaign.manifest import RunIdentity, run_fields
from loadtests.campaign.store import RESULTS, RunFolder
from loadtests.experiments.loadtest import report as throughput
from loadtests.scenarios.locust_users import scenario_of
from loadtests.timing.snapshot import Snapshot, difference, snapshot
from loadtests.timing.window import read
from loadtests.users.closed_loop import ClosedLoop
from loadtests.users.http_user import KeepAliveUser
from loadtests.users.loops import loop_of
from loadtests.users.options import options_of
from loadtests.web.switchboard import Offer

SHORTEST_S = 1.0
"""A test that was stopped sooner is not recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instant:
    """Every counter of the load generator, and the server's."""

    counters: Snapshot
    reading: CpuReading | None


@dataclass(slots=True, kw_only=True)
class Begun:
    """A test under way: what it loads and the counters at its beginning."""

    offer: Offer
    loop: ClosedLoop
    users: int
    first: Instant
    identity: RunIdentity = field(default_factory=lambda: RunIdentity.new("web", None))
    last: Instant | None = None
    """The last instant so far at which the server was known to be up."""

    def mark(self) -> None:
        """Note that the test has lasted until now, unless the server is gone."""
        self.last = _instant(self.loop, self.offer) or self.last


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A test that is over, as a run that is yet to be written."""

    run: LoadRun
    window: Window
    load: Load
    summary: Summary

    @property
    def result(self) -> CellSummary:
        """What the run says of its stack."""
        return self.summary.cells[0]

    def write(self) -> RunFolder:
        """Write the run, whole or not at all; ``FailedError`` where it cannot be written."""
        place = RESULTS / self.run.id
        try:
            folder = RunFolder.create(place, self.run)
            folder.add(self.window)
            folder.finish(self.summary)
        except FailedError as error:
            remove_folder(place)
            reason = getattr(error.__cause__, "strerror", None) or str(error)
            raise FailedError(f"{place} cannot be written: {reason}") from error
        return folder


def why_not(environment: Environment) -> str:
    """Return why a test of the classes that are chosen is not recorded; empty where it is."""
    if not isinstance(environment.runner, LocalRunner):
        return "not recorded: several processes made the load, and a run is of one"
    scenarios = [scenario_of(one) for one in environment.user_classes if issubclass(one, KeepAliveUser)]
    if len(scenarios) != 1:
        return "not recorded: a run is of one scenario"
    if scenarios[0].climbs is not None:  # its steps are its result
        name = scenarios[0].name()
        return f"not recorded: its steps are in Locust's log. make loadtest SCENARIO={name} records them"
    return ""


def begin(environment: Environment, offer: Offer) -> Begun | None:
    """Note the counters now, when all connections are open; ``None`` where the server is gone already."""
    (user,) = [one for one in environment.user_classes if issubclass(one, KeepAliveUser)]
    loop = loop_of(environment, user.loop_class)
    loop.forget_extremes()
    first = _instant(loop, offer)
    return None if first is None else Begun(offer=offer, loop=loop, users=loop.connections, first=first)


def finish(environment: Environment, begun: Begun, gone: str | None, *, is_up: bool) -> Finished | str:
    """Return the run of a test that ends now, or why there is none.

    Where the server is gone, which ``gone`` says how, or may be, the window ends while it was last known to be up.
    """
    if is_up:
        begun.mark()
    first, last = begun.first, begun.last
    lasted_s = 0.0 if last is None else last.counters.at_s - first.counters.at_s
    if last is None or lasted_s < SHORTEST_S:
        ended = f"{gone} after" if gone else "it was measured for"
        return f"not recorded: {ended} {lasted_s:.1f} s, and the shortest test that is recorded takes {SHORTEST_S:g} s"
    run = _run(environment, begun, lasted_s)
    load = difference(
        first.counters,
        last.counters,
        (first.reading, last.reading),
        users=begun.users,
        open_min=begun.loop.sockets.open_min if is_up else begun.users,
        server_gone=gone,
        rate_rps=options_of(environment).rate if run.setup.load.rate else 0.0,
    )
    window = Window(
        run=run.id,
        round=1,
        position=1,
        cell=run.cells[0].name,
        started_at=begun.identity.started_at,
        error=gone,
        load=load,
    )
    return Finished(run=run, window=window, load=load, summary=throughput.summarise(run, [window]))


def _instant(loop: ClosedLoop, offer: Offer) -> Instant | None:
    """Return all counters as of now; ``None`` where the server's cannot be read any more."""
    try:
        reading = read(offer.cpu_meter or "")
    except (OSError, psutil.Error):
        return None
    return Instant(counters=snapshot(loop, own_cores=(), server_cores=offer.server_cores), reading=reading)


def _run(environment: Environment, begun: Begun, duration_s: float) -> LoadRun:
    offer, options = begun.offer, options_of(environment)
    assert offer.cell is not None
    scenario = scenario_of(environment.user_classes[0])
    load = LoadSpec(
        scenario=scenario.name(),
        users=begun.users,
        delay_ms=int(options.delay_ms),
        rate=Rate(rps=options.rate) if scenario.open_loop else None,
        arrivals=Arrivals(options.arrivals) if scenario.open_loop else None,
        warmup_s=0.0,
        window_s=duration_s,
    )
    setup = Setup(
        size=offer.size,
        server_cores=offer.server_cores,
        generator_cores=offer.generator_cores,
        split_siblings=offer.split_siblings,
        load_path="loopback" if offer.cell.image is None else "the host's network",
        load=load,
    )
    fields = run_fields(begun.identity, runtime=options.stack_runtime, rounds=1)
    return LoadRun(**fields, stopping=Stopping(), setup=setup, cells=[offer.cell])
