"""A test in the web UI as a run on disk: one stack, one window from the moment all connections are open to STOP."""

from dataclasses import dataclass

from locust.env import Environment
from locust.runners import LocalRunner

from common.host.meters import CpuReading
from common.records.load import Arrivals, LoadSpec, Objective, Rate, Setup
from common.records.run import LoadRun, Stopping
from common.records.window import Load, Window
from loadtests.campaign.manifest import RunIdentity, run_fields
from loadtests.campaign.store import RESULTS, RunFolder
from loadtests.reports import throughput
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
class Begun:
    """A test under way: what it loads and the counters at its beginning."""

    offer: Offer
    identity: RunIdentity
    loop: ClosedLoop
    before: Snapshot
    reading: CpuReading | None


def begin(environment: Environment, offer: Offer) -> Begun | None:
    """Note the counters now; ``None`` where a test is not recorded: one of workers, or one of Locust's own users."""
    runner, users = environment.runner, environment.user_classes
    ours = [one for one in users if issubclass(one, KeepAliveUser)]
    if not isinstance(runner, LocalRunner) or len(ours) != 1 or offer.cell is None:
        return None
    if scenario_of(ours[0]).climbs is not None:
        return None  # its steps are its result, and the log has them
    loop = loop_of(environment, ours[0].loop_class)
    loop.forget_extremes()
    return Begun(
        offer=offer,
        identity=RunIdentity.new("web", None),
        loop=loop,
        reading=read(offer.cpu_meter or ""),
        before=snapshot(loop, own_cores=(), server_cores=offer.server_cores),
    )


def finish(environment: Environment, begun: Begun) -> tuple[RunFolder, Load] | None:
    """Write the run, and return its folder and load; ``None`` where the test was too short to say anything."""
    after = snapshot(begun.loop, own_cores=(), server_cores=begun.offer.server_cores)
    reading = read(begun.offer.cpu_meter or "")
    if after.at_s - begun.before.at_s < SHORTEST_S:
        return None
    run = _run(environment, begun, after.at_s - begun.before.at_s)
    load = difference(
        begun.before,
        after,
        (begun.reading, reading),
        users=run.setup.load.users,
        open_min=begun.loop.sockets.open_min,
        server_gone=None,
        rate_rps=options_of(environment).rate if run.setup.load.rate else 0.0,
    )
    window = Window(
        run=run.id, round=1, position=1, cell=run.cells[0].name, started_at=begun.identity.started_at, load=load
    )
    folder = RunFolder.create(RESULTS / run.id, run)
    folder.add(window)
    folder.finish(throughput.summarise(run, [window]))
    return folder, load


def _run(environment: Environment, begun: Begun, duration_s: float) -> LoadRun:
    offer, options = begun.offer, options_of(environment)
    assert offer.cell is not None
    scenario = scenario_of(environment.user_classes[0])
    load = LoadSpec(
        scenario=scenario.name(),
        users=environment.runner.user_count if environment.runner else 0,
        delay_ms=int(options.delay_ms),
        rate=Rate(rps=options.rate) if scenario.open_loop else None,
        arrivals=Arrivals(options.arrivals) if scenario.open_loop else None,
        objective=Objective.parse(options.objective) if scenario.climbs and options.objective else None,
        warmup_s=0.0,
        window_s=duration_s,
    )
    setup = Setup(
        size=offer.size,
        server_cores=offer.server_cores,
        generator_cores=sorted(options.cores),
        load_path="loopback" if offer.cell.image is None else "the host's network",
        load=load,
    )
    fields = run_fields(begun.identity, runtime=options.stack_runtime, rounds=1)
    return LoadRun(**fields, stopping=Stopping(), setup=setup, cells=[offer.cell])
