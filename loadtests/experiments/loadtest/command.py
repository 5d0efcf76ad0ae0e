"""``make loadtest``."""

import dataclasses
import math
import time
from collections.abc import Sequence
from functools import partial

from rich.console import Console

from common.catalog.sizes import Runtime, Size
from common.catalog.stacks import DEFAULT
from common.cli.parameters import NO_FARGATE, OnFargate, SizeParameters, StackParameters, changed_of, refuse_given
from common.conformance.checking import LONGEST_S, SIZE, check_all, check_for
from common.console import Terminal
from common.errors import BenchmarkError, UsageError
from common.host.cores import split_cores
from common.records.load import LoadSpec, Tool
from common.records.run import Design, LoadRun, Stopping
from common.records.summary import Summary
from common.runtimes.candidates import Candidate, describe_runtime
from common.runtimes.guests import how_to_pin
from common.runtimes.preparation import PlannedServer, approve_cost, prepare_available
from common.tables import Form, as_json
from common.words import canonical, counted
from loadtests.analysis.together import repeated_rates
from loadtests.campaign.loop import Begin, start
from loadtests.campaign.manifest import RunIdentity, cells_of, controls, run_fields, setup_for, with_databases
from loadtests.campaign.parameters import (
    AnyLoadParameters,
    GuestParameters,
    RepeatParameters,
    RunParameters,
    StoppingParameters,
)
from loadtests.campaign.plan import FEWEST_TO_RANK
from loadtests.campaign.resume import resumable
from loadtests.experiments.loadtest import report
from loadtests.experiments.loadtest.earlier import with_earlier
from loadtests.experiments.loadtest.experiment import LoadTest, planned_windows
from loadtests.scenarios.workloads import scenario_for
from loadtests.targets.ceiling import with_ceiling
from loadtests.windows.sliced import round_s, slicing_for, warmed

SLICED_CONTROLS = 2
"""Copies of stacks in a sliced run: one of a fast stack, one of another."""


@resumable
def loadtest(
    stacks: StackParameters = StackParameters(),
    size: SizeParameters = SizeParameters(),
    load: AnyLoadParameters = AnyLoadParameters(),
    stopping: StoppingParameters = StoppingParameters(),
    run: RunParameters = RunParameters(),
    *,
    repeats: RepeatParameters = RepeatParameters(),
    guest: GuestParameters = GuestParameters(),
    fargate: OnFargate = NO_FARGATE,
) -> None:
    """Rank stacks by requests per second per vCPU, under load in shuffled rounds on fresh servers."""
    terminal = run.terminal()
    runtime = guest.parse_runtime(stacks.runtime)
    if guest.url is not None:
        refuse_given(
            changed_of(loadtest, {"size": size}) - {"vcpu"}, f"URL={guest.url} is a server that is already up."
        )
    given, spec = size.parse(runtime), guest.apply_to(load.parse(), runtime)
    design = load.parse_design(spec, runtime)
    rounds, rule = stopping.parse(design)
    pause_s = repeats.parse_pause()
    if fargate.load_from_task and spec.tool is not Tool.LOCUST:
        raise UsageError(f"TOOL={spec.tool} needs LOAD_FROM=here; a second task has Locust.")
    own = guest.candidates()
    alone = own and canonical(stacks.framework) == DEFAULT
    candidates = own if alone else (*stacks.candidates(runtime, fargate=fargate), *own)
    suites = [PlannedServer(candidate=candidate, size=SIZE, needed_s=LONGEST_S) for candidate in candidates]
    # At most: the control is measured as well, and no stack drops out.
    windows = planned_windows([*candidates, candidates[0]], given, rounds)
    if not approve_cost([*suites, *windows] * repeats.repeat, terminal.say):
        return
    terminal.say(describe_runtime(runtime, runtime if own else stacks.runtime))
    for candidate in own:
        if candidate.guest and candidate.guest.image:
            kept = candidate.guest.capabilities or "no"
            terminal.say(f"{candidate.name} runs with {kept} capabilities; TARGET_CAPS= names others")
        if candidate.guest and (advice := how_to_pin(candidate.guest, split_cores(given.vcpu))):
            terminal.say(advice)
    if design is Design.SLICED and (warning := short_budget(len(candidates), given, rule)) is not None:
        terminal.say(warning)
    begin = partial(
        begin_loadtest,
        candidates,
        load=spec,
        size=given,
        runtime=runtime,
        design=design,
        rounds=rounds,
        stopping=rule,
        messages=terminal.messages,
    )
    if repeats.repeat == 1:
        start("loadtest", begin, run, terminal)
    else:
        _repeat(begin, repeats.repeat, pause_s, run, terminal)


def _repeat(begin: Begin[Summary], count: int, pause_s: float, run: RunParameters, terminal: Terminal) -> None:
    """Carry out so many runs, each with a folder of its own, and print what they say together.

    If a run has a number that is not valid, the others are still made; the first such error is raised at the end.
    """
    summaries, failures = [], list[BenchmarkError]()
    for number in range(count):
        if number:
            time.sleep(pause_s)
        terminal.say(f"run {number + 1} of {count}")
        own = dataclasses.replace(
            run,
            seed=None if run.seed is None else run.seed + number,
            out=None if run.out is None else run.out / str(number + 1),
        )
        summaries.append(start("loadtest", begin, own, terminal, on_failure=failures.append))
    rates = repeated_rates(summaries)
    if terminal.form is Form.JSON:
        terminal.write(as_json(rates))
    else:
        terminal.show(report.repeated_table(rates, count))
        for note in report.repeated_notes(rates, summaries):
            terminal.note(note)
    if failures:
        raise failures[0]


def begin_loadtest(
    candidates: Sequence[Candidate],
    identity: RunIdentity,
    *,
    load: LoadSpec,
    size: Size,
    runtime: Runtime,
    design: Design,
    rounds: int,
    stopping: Stopping,
    messages: Console,
) -> tuple[LoadTest[LoadRun], dict[str, Candidate]]:
    """Prepare a load test; candidates that fail the contract get no windows."""
    candidates = [candidate.serving(scenario_for(load).app) for candidate in candidates]
    sliced = design is Design.SLICED
    load_from_task = any(candidate.fargate is not None and candidate.fargate.load_from_task for candidate in candidates)
    load = warmed(load, runtime, sliced=sliced)
    setup = setup_for(load, size, runtime, load_from_task=load_from_task)
    setup = with_databases(setup, candidates, at_once=len(candidates) + SLICED_CONTROLS if sliced else 1)
    ready, unavailable = prepare_available(candidates, messages)
    outcomes = check_all(ready, messages, check_for(load.requests))
    cells = cells_of(candidates, outcomes)
    copies = controls(cells, identity.seed, count=SLICED_CONTROLS if sliced else 1)
    run = LoadRun(
        **run_fields(identity, runtime=runtime, rounds=rounds),
        design=design,
        slicing=slicing_for(size.vcpu, len(cells) + len(copies)) if sliced else None,
        stopping=stopping,
        setup=with_ceiling(setup),
        cells=[*cells, *copies],
        unavailable=unavailable,
    )
    return with_earlier(run), {candidate.name: candidate for candidate in candidates if candidate.name in outcomes}


def short_budget(stacks: int, size: Size, stopping: Stopping) -> str | None:
    """Return a warning if the budget of a sliced run is too short for the rounds that a rank needs."""
    servers = stacks + SLICED_CONTROLS
    needed_s = FEWEST_TO_RANK * round_s(servers, slicing_for(size.vcpu, servers))
    if stopping.budget_s is None or stopping.budget_s >= needed_s or stopping.fewest_rounds >= FEWEST_TO_RANK:
        return None
    smallest = f"{math.ceil(needed_s / 60)}m"
    return (
        f"warning: BUDGET={stopping.budget_s:g}s ends before the {FEWEST_TO_RANK} rounds that a rank needs; for "
        f"{counted(stacks, 'stack')} use BUDGET={smallest} or more"
    )
