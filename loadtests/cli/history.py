"""The command that compares the last versions of a framework with each other."""

from dataclasses import replace
from typing import Annotated

from cyclopts import Parameter, validators

from common.catalog.frameworks import frameworks
from common.catalog.selection import one_of
from common.cli.parameters import SizeParameters, StackParameter
from common.console import Terminal
from common.errors import UsageError
from common.packages.releases import newest_of_each_minor, releases
from common.runtimes.candidates import describe_runtime, require_local
from loadtests.campaign.loop import start
from loadtests.cli.parameters import AnyLoadParameters, Out, Seed, StoppingParameters
from loadtests.experiments.loadtest import begin_loadtest
from loadtests.reports import history as report


def history(
    stack: StackParameter = StackParameter(),
    size: SizeParameters = SizeParameters(),
    load: AnyLoadParameters = AnyLoadParameters(),
    stopping: StoppingParameters = StoppingParameters(),
    *,
    last: Annotated[
        int, Parameter(validator=validators.Number(gte=2, lte=20), help="How many minor versions, 2 to 20.")
    ] = 5,
    seed: Seed = None,
    out: Out = None,
) -> None:
    """Compare the newest release of each of a framework's last minor versions, and say which changed its speed."""
    terminal, runtime = Terminal(), require_local(stack.parse_runtime())
    framework = frameworks()[one_of(stack.framework, frameworks(), variable="FRAMEWORK")]
    if framework.distribution is None:
        raise UsageError(f"FRAMEWORK={framework.name} is a floor, which has no versions.")
    versions = [str(one) for one in newest_of_each_minor(releases(framework.distribution), last)]
    named = replace(stack, framework=",".join(f"{framework.name}@{version}" for version in versions))
    given, spec = size.parse(runtime), load.parse()
    candidates = sorted(
        named.candidates(runtime, size=given),
        key=lambda one: versions.index(one.stack.framework.name.partition("@")[2]),
    )
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
    pairs = start("loadtest", begin, seed=seed, out=out, terminal=terminal).pairs
    cells = [candidate.name for candidate in candidates]
    terminal.results.print(report.table(f"history of {framework.title}", versions, cells, pairs))
    for line in report.sentences(cells, pairs, rule.margin):
        terminal.results.print(line, soft_wrap=True, markup=False)
