"""``make causes``."""

from functools import partial
from typing import Annotated

from cyclopts import Parameter

from common.catalog.pythons import DEFAULT_PYTHON
from common.cli.parameters import FRAMEWORK, ONE_PYTHON, StackParameter
from loadtests.campaign.loop import start
from loadtests.campaign.parameters import Rounds, RunParameters
from loadtests.campaign.resume import resumable
from loadtests.experiments.causes.experiment import begin_causes


@resumable
def causes(
    *,
    framework: Annotated[str, Parameter(help=FRAMEWORK)] = "flask_restful",
    server: Annotated[str, Parameter(help="Name of one server.")] = "gunicorn-sync",
    image: Annotated[str | None, Parameter(help="Base image: fat, slim or alpine. Default: slim.")] = None,
    rounds: Rounds = 5,
    python: Annotated[str, Parameter(help=ONE_PYTHON)] = DEFAULT_PYTHON,
    run: RunParameters = RunParameters(),
) -> None:
    """Show what moves response times in a small container, one thing changed at a time; Docker only."""
    terminal = run.terminal()
    stack = StackParameter(framework=framework, server=server, image=image, runtime="docker", python=python)
    candidate = stack.candidate(stack.parse_runtime())
    begin = partial(begin_causes, candidate, rounds=rounds, messages=terminal.messages)
    start("causes", begin, run, terminal)
