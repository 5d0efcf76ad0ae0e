"""A test in the web UI as a run on disk: one stack, one window from the moment all connections are open to its end."""

from dataclasses import dataclass, field, replace

import msgspec
from locust.env import Environment
from locust.runners import LocalRunner

from common.errors import FailedError
from common.host.folders import remove_folder
from common.records.load import Arrivals, LoadSpec, Rate, Setup
from common.records.run import LoadRun, Stopping
from common.records.summary import CellSummary, Summary
from common.records.window import Load, Window
from loadtests.campaign.manifest import RunIdentity, run_fields
from loadtests.campaign.store import RESULTS, RunFolder
from loadtests.experiments.loadtest import report as throughput
from loadtests.scenarios.locust_users import scenario_of
from loadtests.timing.reading import Reading
from loadtests.users.http_user import KeepAliveUser
from loadtests.users.options import options_of
from loadtests.web.switchboard import Offer

SHORTEST_S = 1.0
"""A test that was stopped sooner is not recorded."""


@dataclass(slots=True, kw_only=True)
class Begun:
    """A test under way: what it loads and the counters at its beginning."""

    offer: Offer
    first: Reading
    identity: RunIdentity = field(default_factory=lambda: RunIdentity.new("web", None))
    last: Reading | None = None
    """The last reading so far at which the server was known to be up."""

    def mark(self, reading: Reading) -> None:
        """Note that the test has lasted until a reading, unless the server was gone."""
        if is_up(self.offer, reading):
            self.last = replace(reading, users=self.first.users)


def is_up(offer: Offer, reading: Reading) -> bool:
    """Return whether the server was up at a reading, as far as its meter says."""
    return offer.cpu_meter is None or reading.server is not None


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
    scenarios = [scenario_of(user) for user in environment.user_classes if issubclass(user, KeepAliveUser)]
    if len(scenarios) != 1:
        return "not recorded: a run is of one scenario"
    if scenarios[0].climbs is not None:  # its steps are its result
        name = scenarios[0].name()
        return f"not recorded: its steps are in Locust's log. make loadtest SCENARIO={name} records them"
    return ""


def finish(environment: Environment, begun: Begun, gone: str | None) -> Finished | str:
    """Return the run of a test that is over, or why there is none.

    Where the server is gone, which ``gone`` says how, or may be, the window ends while it was last known to be up.
    """
    first, last = begun.first, begun.last
    lasted_s = 0.0 if last is None else last.at_s - first.at_s
    if last is None or lasted_s < SHORTEST_S:
        ended = f"{gone} after" if gone else "it was measured for"
        return f"not recorded: {ended} {lasted_s:.1f} s, and the shortest test that is recorded takes {SHORTEST_S:g} s"
    run = _run(environment, begun, lasted_s)
    load = msgspec.structs.replace(last - first, server_gone=gone)
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


def _run(environment: Environment, begun: Begun, duration_s: float) -> LoadRun:
    offer, options = begun.offer, options_of(environment)
    assert offer.cell is not None
    scenario = scenario_of(environment.user_classes[0])
    load = LoadSpec(
        scenario=scenario.name(),
        users=begun.first.users,
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
