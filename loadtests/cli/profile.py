"""The command that shows where a stack spends its CPU time."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from msgspec.structs import replace

from common.catalog.sizes import Runtime, Size
from common.catalog.stacks import DEFAULT
from common.cli.parameters import FRAMEWORK, Pythons, StackParameter, changed_of, refuse_given
from common.console import Terminal
from common.errors import UsageError
from common.host.folders import require_writable, write_file
from common.runtimes.candidates import Candidate
from common.runtimes.preparation import prepare
from loadtests.campaign.loop import conclude, hold_machine
from loadtests.campaign.manifest import setup_for
from loadtests.campaign.parameters import LoadParameters, within
from loadtests.campaign.store import RESULTS
from loadtests.experiments.compare.command import CompareSide
from loadtests.experiments.compare.sides import Side, both_candidates
from loadtests.profiles import flame, sampling
from loadtests.scenarios.workloads import scenario_for

PAGE = RESULTS / "profile.html"


def profile(
    *,
    framework: Annotated[str, Parameter(help=FRAMEWORK)] = "",
    server: Annotated[str, Parameter(help="Name of one server, or default for the framework's own.")] = DEFAULT,
    python: Pythons = None,
    a: CompareSide = "",
    b: CompareSide = "",
    load: LoadParameters = LoadParameters(),
    seconds: Annotated[int, within(1, 60, "Seconds of load, 1 to 60.")] = 5,
    out: Annotated[Path | None, Parameter(help="File to write instead of loadtests/results/profile.html.")] = None,
) -> None:
    """Show where a stack's Python code spends its time under load, or how A and B differ in that, as a flame graph."""
    terminal, file = Terminal(), out or PAGE
    spec = replace(load.parse(), window_s=float(seconds))
    setup = setup_for(spec, Size(vcpu=1), Runtime.PROCESS)
    if a or b:
        given = changed_of(profile, {"framework": framework, "python": python})
        refuse_given(given, "A= and B= name the stacks.")
    chosen = _sides(a, b, server) if a or b else _single(framework, server, python)
    candidates = [candidate.serving(scenario_for(spec).app) for candidate in chosen]
    if missing := next((candidate for candidate in candidates if candidate.unavailable), None):
        raise UsageError(f"{missing.name} is not available: {missing.unavailable}.")
    with hold_machine("profile", terminal):
        require_writable(file)
        prepare(candidates, terminal.messages)
        profiles = [sampling.profile(candidate, setup) for candidate in candidates]
    write_file(file, flame.page(profiles))
    conclude(flame.sentences(profiles), terminal)
    terminal.say(f"wrote {file}")


def _single(framework: str, server: str, python: str | None) -> tuple[Candidate, ...]:
    return (StackParameter(framework=framework, server=server, python=python).candidate(Runtime.PROCESS),)


def _sides(a: str, b: str, server: str) -> tuple[Candidate, ...]:
    first, second = Side.parse(a, "A"), Side.parse(b, "B")
    for side in (first, second):
        if side.run is not None or side.needs_docker():
            raise UsageError(f"{side.variable}={side.text} cannot be profiled: must be a stack in the process runtime.")
    return both_candidates(first, second, Runtime.PROCESS, server)
