"""``make crosscheck``."""

from functools import partial

from msgspec.structs import replace

from common.cli.parameters import SizeParameters, StackParameter
from common.records.load import Tool
from common.runtimes.candidates import describe_runtime, require_local
from loadtests.campaign.loop import start
from loadtests.campaign.parameters import LoadParameters, Rounds, RunParameters
from loadtests.campaign.resume import resumable
from loadtests.experiments.crosscheck.experiment import begin_crosscheck
from loadtests.windows.tools import require_able, require_wrk


@resumable
def crosscheck(
    stack: StackParameter = StackParameter(),
    size: SizeParameters = SizeParameters(),
    load: LoadParameters = LoadParameters(),
    *,
    rounds: Rounds = 8,
    run: RunParameters = RunParameters(),
) -> None:
    """Load one stack with our generator and with wrk in turn, and compare their rates."""
    terminal = run.terminal()
    require_wrk()
    spec = load.parse()
    require_able(replace(spec, tool=Tool.WRK))
    runtime = require_local(stack.parse_runtime())
    given = size.parse(runtime)
    candidate = stack.candidate(runtime)
    terminal.say(describe_runtime(runtime, stack.runtime))
    begin = partial(
        begin_crosscheck, candidate, load=spec, size=given, runtime=runtime, rounds=rounds, messages=terminal.messages
    )
    start("crosscheck", begin, run, terminal)
