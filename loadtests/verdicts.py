"""What to think of a cell's number, from recorded fields alone."""

from collections.abc import Iterator, Mapping, Sequence

from common.records import Cell, Load, Run, Verdict, Window

GENERATOR_CEILING = 0.8
"""Above this share of its cores the generator may be what was measured."""
LITTLES_LAW_TOLERANCE = 0.05
FEWEST_ROUNDS = 5


def doubts(run: Run, cell: Cell, windows: Sequence[Window]) -> dict[Verdict, str]:
    """Every reason not to rank the cell, gravest first, each with what was seen and what to do; empty where valid."""
    loads = [window.load for window in windows if window.load is not None]
    return dict(_doubts(run, cell, windows, loads))


def _doubts(run: Run, cell: Cell, windows: Sequence[Window], loads: Sequence[Load]) -> Iterator[tuple[Verdict, str]]:
    if (conformance := cell.conformance) is not None and conformance.failed:
        name, reason = next(iter(conformance.failed.items()))
        yield Verdict.NONCONFORMING, f"{len(conformance.failed)} conformance tests fail, first {name}: {reason}"
    if not windows:
        yield Verdict.NOT_MEASURED, "no window was made."
    if errors := [window.error for window in windows if window.error]:
        yield Verdict.SERVER_DIED, f"in {len(errors)} of {len(windows)} windows: {errors[0]}"
    if failures := _failures(loads):
        seen = ", ".join(f"{name} x {count}" for name, count in failures.items())
        yield Verdict.WRONG_ANSWERS, f"{seen}. Run make conformance FRAMEWORK={cell.framework} SERVER={cell.server}."
    yield from _connection_doubts(cell, loads)
    yield from _generator_doubts(run, loads)
    if 0 < len(windows) < FEWEST_ROUNDS:
        yield (
            Verdict.TOO_FEW_ROUNDS,
            f"{len(windows)} windows; {FEWEST_ROUNDS} are the fewest to rank by. Raise ROUNDS.",
        )


def _failures(loads: Sequence[Load]) -> Mapping[str, int]:
    failures: dict[str, int] = {}
    for load in loads:
        for name, count in load.failures.items():
            failures[name] = failures.get(name, 0) + count
    return failures


def _connection_doubts(cell: Cell, loads: Sequence[Load]) -> Iterator[tuple[Verdict, str]]:
    if not cell.keep_alive:
        return
    for load in loads:
        if load.reconnects:
            yield Verdict.CONNECTIONS, f"{load.reconnects} connections declared keep-alive were opened anew."
            return
        ratio = load.littles_law_ratio
        if load.requests and abs(ratio - 1) > LITTLES_LAW_TOLERANCE:
            yield Verdict.CONNECTIONS, f"requests in flight are {ratio:.2f} of rate x response time; not all were busy."
            return


def _generator_doubts(run: Run, loads: Sequence[Load]) -> Iterator[tuple[Verdict, str]]:
    if set(run.server_cores) & set(run.generator_cores):
        yield Verdict.SHARED_CORE, "server and generator shared cores; give the machine more cores or a smaller VCPU."
        return
    shares = [load.generator_cpu_s / load.duration_s / len(run.generator_cores) for load in loads]
    if shares and max(shares) > GENERATOR_CEILING:
        yield (
            Verdict.GENERATOR_BOUND,
            f"the generator used {max(shares):.0%} of its cores; what was measured may be its own.",
        )
