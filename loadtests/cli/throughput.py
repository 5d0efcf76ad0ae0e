"""Commands that rank stacks, or a framework's versions, by their throughput."""

import time
from dataclasses import replace
from typing import Annotated

import msgspec
from cyclopts import Parameter

from common.catalog.frameworks import frameworks
from common.catalog.sizes import Runtime
from common.catalog.stacks import DEFAULT
from common.cli.parameters import (
    NO_FARGATE,
    OnFargate,
    SizeParameters,
    StackParameter,
    StackParameters,
    changed_of,
    refuse_given,
)
from common.conformance.candidates import LONGEST_S, SIZE
from common.console import Terminal
from common.errors import BenchmarkError, UsageError
from common.host.cores import split_cores
from common.packages.releases import newest_of_each_minor, releases
from common.records.load import Tool
from common.records.run import Design
from common.records.summary import Summary
from common.runtimes.candidates import describe_runtime, parse_runtime, require_local
from common.runtimes.guests import how_to_pin
from common.runtimes.preparation import PlannedServer, approve_cost
from common.tables import Form
from common.words import canonical, one_of
from loadtests.analysis import outcome
from loadtests.analysis.across_runs import repeated_rates
from loadtests.campaign.loop import Begin, conclude, start
from loadtests.campaign.plan import parse_share, parse_stopping
from loadtests.campaign.store import RunFolder
from loadtests.cli.parameters import (
    AnyLoadParameters,
    ExactRounds,
    GuestParameters,
    LoadParameters,
    RepeatParameters,
    RunParameters,
    StoppingParameters,
    within,
)
from loadtests.cli.resuming import resumable
from loadtests.experiments.compare import STACK, Side, begin_compare, compare_runs, slower_than_allowed
from loadtests.experiments.history import begin_history
from loadtests.experiments.loadtest import begin_loadtest, planned_windows, short_budget
from loadtests.reports import throughput as report

COMPARE_BUDGET = "11m"
CompareSide = Annotated[str, Parameter(help=f"{STACK}, ./FOLDER of a framework or a checkout, or a finished run.")]


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
        if candidate.guest and (advice := how_to_pin(candidate.guest, split_cores(given.vcpu))):
            terminal.say(advice)
    if design is Design.SLICED and (warning := short_budget(len(candidates), given, rule)) is not None:
        terminal.say(warning)
    begin = begin_loadtest(
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
        start("loadtest", begin, seed=run.seed, out=run.out, terminal=terminal)
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
        seed = None if run.seed is None else run.seed + number
        out = None if run.out is None else run.out / str(number + 1)
        made = start("loadtest", begin, seed=seed, out=out, terminal=terminal, on_failure=failures.append)
        summaries.append(made)
    rates = repeated_rates(summaries)
    if terminal.form is Form.JSON:
        terminal.write(msgspec.json.encode(rates).decode() + "\n")
    else:
        terminal.show(report.repeated_table(rates, count))
        for note in report.repeated_notes(rates, summaries):
            terminal.note(note)
    if failures:
        raise failures[0]


@resumable
def compare(
    *,
    a: CompareSide = "",
    b: CompareSide = "",
    server: Annotated[str, Parameter(help="Server of a side that names none.")] = DEFAULT,
    runtime: Annotated[str, Parameter(help="process, docker, or auto: docker for sides that name an image.")] = "auto",
    size: SizeParameters = SizeParameters(),
    load: LoadParameters = LoadParameters(),
    rounds: ExactRounds = None,
    budget: Annotated[
        str | None, Parameter(help=f"Time for windows, such as 90s or 15m. Default: {COMPARE_BUDGET}.")
    ] = None,
    margin: Annotated[str, Parameter(help="Sides within this of each other are equivalent, such as 5%.")] = "5%",
    fail_if_slower: Annotated[
        str | None, Parameter(help="Exit with status 1 where B is slower by more than this, such as 3%.")
    ] = None,
    run: RunParameters = RunParameters(),
) -> None:
    """Decide whether B is faster than A, slower, or equivalent."""
    terminal = run.terminal()
    limit = None if fail_if_slower is None else parse_share(fail_if_slower, variable="FAIL_IF_SLOWER")
    first, second = Side.parse(a, "A"), Side.parse(b, "B")
    if first.run is not None and second.run is not None:
        given = {"server": server, "runtime": runtime, "size": size, "load": load, "rounds": rounds, "budget": budget}
        reason = "A= and B= name finished runs, which are compared as they are."
        refuse_given(changed_of(compare, {**given, "run": run}) - {"format"}, reason)
        _compare_finished(first.run, second.run, parse_share(margin, variable="MARGIN"), limit, terminal)
        return
    if first.run is not None or second.run is not None:
        raise UsageError(f"A={a} and B={b} cannot be compared: must be two finished runs or two stacks.")
    if canonical(runtime) == "auto" and not (first.needs_docker() or second.needs_docker()):
        runtime = Runtime.PROCESS
    kind = require_local(parse_runtime(runtime))
    time_given = COMPARE_BUDGET if rounds is None and budget is None else budget
    most, rule = parse_stopping(rounds=rounds, budget=time_given, margin=margin, looks=outcome.LOOKS)
    begin = begin_compare(
        first,
        second,
        server=server,
        load=load.parse(),
        size=size.parse(kind),
        runtime=kind,
        rounds=most,
        stopping=rule,
        fail_if_slower=limit,
        messages=terminal.messages,
    )
    start("compare", begin, seed=run.seed, out=run.out, terminal=terminal)


def _compare_finished(a: RunFolder, b: RunFolder, margin: float, limit: float | None, terminal: Terminal) -> None:
    """Print how the stacks that two runs share differ; ``FailedError`` if one is slower than ``limit`` allows."""
    pairs, left_out = compare_runs(a, b, margin)
    for reason in left_out:
        terminal.say(reason)
    if terminal.form is Form.JSON:
        terminal.write(msgspec.json.encode(pairs).decode() + "\n")
    else:
        conclude([outcome.sentence(pair, margin) for pair in pairs], terminal)
    if (failure := slower_than_allowed(pairs, limit)) is not None:
        raise failure


@resumable
def history(
    stack: StackParameter = StackParameter(),
    size: SizeParameters = SizeParameters(),
    load: AnyLoadParameters = AnyLoadParameters(),
    stopping: StoppingParameters = StoppingParameters(),
    run: RunParameters = RunParameters(),
    *,
    last: Annotated[int, within(2, 20, "How many minor versions, 2 to 20.")] = 5,
) -> None:
    """Compare the newest release of each of a framework's last minor versions, and say which changed its speed."""
    terminal, runtime = run.terminal(), require_local(stack.parse_runtime())
    framework = frameworks()[one_of(stack.framework, frameworks(), variable="FRAMEWORK")]
    if framework.distribution is None:
        raise UsageError(f"FRAMEWORK={framework.name} is a floor, which has no versions.")
    versions = [str(one) for one in newest_of_each_minor(releases(framework.distribution), last)]
    given, spec = size.parse(runtime), load.parse()
    candidates = [replace(stack, framework=f"{framework.name}@{version}").candidate(runtime) for version in versions]
    design = load.parse_design(spec, runtime)
    rounds, rule = stopping.parse(design)
    terminal.say(describe_runtime(runtime, stack.runtime))
    begin = begin_loadtest(
        candidates,
        load=spec,
        size=given,
        runtime=runtime,
        design=design,
        rounds=rounds,
        stopping=rule,
        messages=terminal.messages,
    )
    names = {candidate.name: version for candidate, version in zip(candidates, versions, strict=True)}
    start("history", begin_history(framework.title, names, begin), seed=run.seed, out=run.out, terminal=terminal)
