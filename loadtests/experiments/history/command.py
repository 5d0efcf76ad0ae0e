"""``make history``."""

from dataclasses import replace
from functools import partial
from typing import Annotated

from common.catalog.frameworks import frameworks
from common.cli.parameters import SizeParameters, StackParameter
from common.errors import UsageError
from common.packages.releases import newest_of_each_minor, releases
from common.runtimes.candidates import describe_runtime, require_local
from common.words import one_of
from loadtests.campaign.loop import start
from loadtests.campaign.parameters import AnyLoadParameters, RunParameters, StoppingParameters, within
from loadtests.campaign.resume import resumable
from loadtests.experiments.history.experiment import begin_history
from loadtests.experiments.loadtest.command import begin_loadtest


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
    versions = [str(release) for release in newest_of_each_minor(releases(framework.distribution), last)]
    given, spec = size.parse(runtime), load.parse()
    candidates = [replace(stack, framework=f"{framework.name}@{version}").candidate(runtime) for version in versions]
    design = load.parse_design(spec, runtime)
    rounds, rule = stopping.parse(design)
    terminal.say(describe_runtime(runtime, stack.runtime))
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
    names = {candidate.name: version for candidate, version in zip(candidates, versions, strict=True)}
    start("history", partial(begin_history, framework.title, names, begin), run, terminal)
