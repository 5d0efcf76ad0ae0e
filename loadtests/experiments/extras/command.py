"""``make extras``."""

from functools import partial
from typing import Annotated

from cyclopts import Parameter

from common.cli.parameters import SizeParameters, StackParameters
from common.records.load import LoadSpec
from common.runtimes.candidates import describe_runtime, require_local
from common.words import select
from loadtests.campaign.loop import start
from loadtests.campaign.parameters import Rounds, RunParameters, Users
from loadtests.campaign.resume import resumable
from loadtests.experiments.extras.additions import TITLES
from loadtests.experiments.extras.experiment import begin_extras
from loadtests.scenarios.scenario import DELAY_MS, USERS, WARMUP_S, WINDOW_S


@resumable
def extras(
    stacks: StackParameters = StackParameters(),
    size: SizeParameters = SizeParameters(),
    run: RunParameters = RunParameters(),
    *,
    extras: Annotated[str, Parameter(help=f"Additions: {', '.join(TITLES)}, joined by commas, or all.")] = "all",
    users: Users = USERS,
    rounds: Rounds = 8,
) -> None:
    """Price what people add to an API, in microseconds of CPU time a request over the same stack without it."""
    terminal, runtime = run.terminal(), require_local(stacks.parse_runtime())
    additions = select(extras, TITLES, variable="EXTRAS")
    load = LoadSpec(scenario="hello", users=users, delay_ms=DELAY_MS, warmup_s=WARMUP_S, window_s=WINDOW_S)
    given, candidates = size.parse(runtime), stacks.candidates(runtime)
    terminal.say(describe_runtime(runtime, stacks.runtime))
    begin = partial(
        begin_extras,
        candidates,
        additions,
        load=load,
        size=given,
        runtime=runtime,
        rounds=rounds,
        messages=terminal.messages,
    )
    start("extras", begin, run, terminal)
