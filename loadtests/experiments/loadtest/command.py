"""``make loadtest``."""

import time

import msgspec

from common.catalog.stacks import DEFAULT
from common.cli.parameters import (
    NO_FARGATE,
    OnFargate,
    SizeParameters,
    StackParameters,
    changed_of,
    refuse_given,
)
from common.conformance.candidates import LONGEST_S, SIZE
from common.console import Terminal
from common.errors import BenchmarkError, UsageError
from common.host.cores import split_cores
from common.records.load import Tool
from common.records.run import Design
from common.records.summary import Summary
from common.runtimes.candidates import describe_runtime
from common.runtimes.guests import how_to_pin
from common.runtimes.preparation import PlannedServer, approve_cost
from common.tables import Form
from common.words import canonical
from loadtests.analysis.together import repeated_rates
from loadtests.campaign.loop import Begin, start
from loadtests.campaign.parameters import (
    AnyLoadParameters,
    GuestParameters,
    RepeatParameters,
    RunParameters,
    StoppingParameters,
)
from loadtests.campaign.resuming import resumable
from loadtests.experiments.loadtest import report
from loadtests.experiments.loadtest.experiment import begin_loadtest, planned_windows, short_budget


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
