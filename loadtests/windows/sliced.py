"""The windows of a whole round: all its servers loaded in turn by one process, in short slices."""

import math
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

import msgspec
from msgspec.structs import replace

from common.catalog.sizes import Runtime
from common.errors import FailedError
from common.host.folders import temporary_folder
from common.records.load import LoadSpec, Setup, Tool
from common.records.run import Slicing
from common.records.schema import decoder
from common.records.window import Load, Window
from common.runtimes.candidates import Candidate
from common.runtimes.running_server import RunningServer
from loadtests.scenarios.scenario import MOST_WARMUP_S
from loadtests.scenarios.workloads import scenario_for
from loadtests.timing.slice_order import SlicedServer, SliceOrder
from loadtests.windows.by_locust import isolated_locust
from loadtests.windows.tools import GeneratorError, wait_for_end

PROGRAM = (sys.executable, "-m", "loadtests.timing.slices")
SKIPPED_S = 0.040
"""The time after a switch until a server is as fast as under lasting load (``tests.benchmarks.settling``)."""
SHORT_S = 0.08
"""The length of a slice for servers with a whole number of vCPUs, which their quota never stops."""
FEWEST_PASSES, MOST_PASSES = 32, 64
"""The number of short slices per server: the fewest with many servers in a round, the most with few."""
ROUND_S = 48.0
"""How long a round of short slices lasts at least, as far as ``MOST_PASSES`` allows.

Long enough for what makes the machine faster or slower for seconds to even out.
"""
QUOTA_PERIOD_S = 0.1
"""The period of the kernel's CPU quota. A server that has used its share of one is stopped until the next."""
LONG_PASSES = 24
"""The number of slices of whole periods, which are longer, so that fewer of them fit into the same time."""
START_S = 0.7
"""The time to start and to remove a server while others are up."""
SLICED_WARMUP_S = 0.64
"""How long a server is loaded at least before its first slice; one that is still getting faster is loaded longer."""


def why_not_sliced(load: LoadSpec, runtime: Runtime) -> str | None:
    """Return why load of this kind cannot be made in slices; ``None`` where it can."""
    scenario = scenario_for(load)
    if runtime is Runtime.FARGATE:
        return f"RUNTIME={runtime}"
    if load.tool is not Tool.LOCUST:
        return f"TOOL={load.tool}"
    if load.generator_workers:
        return f"GENERATOR_WORKERS={load.generator_workers}"
    if scenario.open_loop or scenario.climbs or scenario.sleeps:
        return f"SCENARIO={load.scenario}"
    return None


def warmed(load: LoadSpec, runtime: Runtime, *, sliced: bool) -> LoadSpec:
    """Return the load with its warm-up, which lasts until servers are warm where their rates show whether they are."""
    load = replace(load, warmup_s=SLICED_WARMUP_S) if sliced else load
    by_rate = replace(load, tool=Tool.LOCUST)  # which warms servers for wrk, too
    return load if why_not_sliced(by_rate, runtime) else replace(load, most_warmup_s=MOST_WARMUP_S)


def slicing_for(vcpu: float, servers: int) -> Slicing:
    """Return how this many servers of a size take turns: in short slices, or in slices of whole quota periods."""
    if vcpu == int(vcpu):
        passes = round((ROUND_S / servers - START_S - SLICED_WARMUP_S) / SHORT_S)
        return _slicing(min(max(passes, FEWEST_PASSES), MOST_PASSES), SHORT_S)
    return _slicing(LONG_PASSES, round(math.ceil(1 / min(vcpu, 1.0)) * QUOTA_PERIOD_S, 1))


def _slicing(passes: int, slice_s: float) -> Slicing:
    """Return a slicing with this many passes, and up to half as many again to replace disturbed slices."""
    return Slicing(passes=passes, most_passes=passes * 3 // 2, slice_s=slice_s, skipped_s=SKIPPED_S)


def round_s(servers: int, slicing: Slicing) -> float:
    """Return about how long a round takes in which no slice is made again and every server is warm at once."""
    return servers * (START_S + SLICED_WARMUP_S + slicing.passes * slicing.slice_s)


def measure_in_turn(
    windows: Sequence[Window], setup: Setup, slicing: Slicing, candidates: Mapping[str, Candidate], *, seed: str
) -> list[Window]:
    """Return the windows with the loads of fresh servers that were all up at once and were loaded one after the other.

    What goes wrong with a server is its window's and leaves the others as they are. ``GeneratorError`` where the load
    generator fails. ``candidates`` are by the names of the cells; ``seed`` is for the order in each pass.
    """
    load_average = os.getloadavg()[0]
    errors: dict[str, str] = {}
    with ExitStack() as servers:
        running: dict[str, RunningServer] = {}
        for window in windows:
            try:
                starting = candidates[window.cell].start(setup.size, cores=setup.server_cores)
                running[window.cell] = servers.enter_context(starting)
            except FailedError as error:
                errors[window.cell] = str(error)
        for cell, server in running.items():
            try:
                server.wait_until_ready()
            except FailedError as error:
                errors[cell] = str(error)
        ready = {cell: server for cell, server in running.items() if cell not in errors}
        measured = measure_round(list(ready.values()), setup, slicing, seed=seed) if ready else []
        loads: dict[str, Load] = dict(zip(ready, measured, strict=True))
        for cell, load in loads.items():
            if reason := ready[cell].exit_reason() or load.server_gone:
                errors[cell] = reason
    return [
        replace(window, load=loads.get(window.cell), error=errors.get(window.cell), load_average=load_average)
        for window in windows
    ]


def measure_round(running: Sequence[RunningServer], setup: Setup, slicing: Slicing, *, seed: str) -> list[Load]:
    """Load the servers in turn and return the load of each; ``GeneratorError`` where the generator gives no result."""
    result = carry_out(slice_order(running, setup, slicing, seed=seed), PROGRAM)
    loads: list[Load] = decoder(list[Load]).decode(result)
    return loads


def slice_order(running: Sequence[RunningServer], setup: Setup, slicing: Slicing, *, seed: str) -> SliceOrder:
    """Return the order by which a program loads these servers in turn."""
    servers = [
        SlicedServer(
            url=server.url,
            network_namespace=None if server.network_namespace is None else str(server.network_namespace),
            cpu_meter=server.cpu_meter,
            may_compile=server.may_compile,
            database_meter=server.database_meter,
        )
        for server in running
    ]
    return SliceOrder(servers=servers, setup=setup, slicing=slicing, seed=seed)


def carry_out(order: SliceOrder, program: Sequence[str]) -> bytes:
    """Run a program that carries out an order on the generator's cores, and return its result, which is JSON.

    Raises ``GeneratorError`` if the program does not end in time or leaves no result.
    """
    with temporary_folder("round") as folder:
        order_file, result_file = folder / "order.json", folder / "result.json"
        order_file.write_bytes(msgspec.json.encode(order))
        line = (*program, str(order_file), str(result_file))
        with isolated_locust(line, folder, cores=order.setup.generator_cores) as generator:
            wait_for_end(generator, order.longest_s(), name="the load generator")
            if not result_file.exists():
                raise GeneratorError(f"the load generator ended without a result: {generator.exit_reason()}")
            return result_file.read_bytes()
