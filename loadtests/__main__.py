"""The verbs of this room, in the order of the flow: loadtest, web, publish, records."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators

from common.candidates import Runtime, choose, only, runtime_line
from common.commandline import Port, terminal, verbs
from common.commandline import run as run_verb
from common.contract import MAX_DELAY_MS
from common.images import DEFAULT_PYTHON
from common.matrix import DEFAULT, Size
from common.preparation import prepare
from common.selection import one_of
from loadtests.manifest import Settings
from loadtests.publication import publish_run
from loadtests.records_page import PAGE, page
from loadtests.results import refuse_used
from loadtests.runner import run_loadtest
from loadtests.throughput import SCENARIOS
from loadtests.web import open_web

app = verbs(__doc__ or "")
console = terminal()

Users = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=10_000))]
Rounds = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=1000))]
Delay = Annotated[int, Parameter(validator=validators.Number(gte=0, lte=MAX_DELAY_MS))]
Seed = Annotated[int | None, Parameter(validator=validators.Number(gte=0))]


@app.command
def loadtest(
    *,
    framework: str = "all",
    server: str = DEFAULT,
    image: str | None = None,
    runtime: str = "auto",
    scenario: str = "hello",
    vcpu: str = "1",
    memory: str | None = None,
    users: Users = 16,
    delay: Delay = 100,
    rounds: Rounds = 5,
    seed: Seed = None,
    out: Path | None = None,
    python: str = DEFAULT_PYTHON,
) -> None:
    """Every stack asked for: held to the contract, then loaded in shuffled rounds on fresh servers; a table."""
    settings = Settings(
        runtime=Runtime.read(runtime),
        scenario=one_of(scenario, SCENARIOS, variable="SCENARIO"),
        size=Size.read(vcpu, memory),
        users=users,
        delay_ms=delay,
        rounds=rounds,
        seed=seed,
    )
    if out is not None:
        refuse_used(out)
    candidates = choose(
        framework=framework, server=server, image=image, runtime=settings.runtime, python=python, size=settings.size
    )
    console.print(runtime_line(settings.runtime, runtime))
    run_loadtest(settings, candidates, out, console)


@app.command
def web(
    *,
    framework: str,
    server: str = DEFAULT,
    image: str | None = None,
    runtime: str = "auto",
    vcpu: str = "1",
    memory: str | None = None,
    port: Port = 8089,
    python: str = DEFAULT_PYTHON,
) -> None:
    """One stack with Locust's web UI on it, until it is interrupted."""
    kind = Runtime.read(runtime)
    size = Size.read(vcpu, memory)
    candidate = only(choose(framework=framework, server=server, image=image, runtime=kind, python=python, size=size))
    prepare([candidate], console)
    open_web(candidate, size, port, console)


@app.command
def publish(*, run: str = "latest") -> None:  # the run's id
    """A finished run as the README's current table."""
    for file in publish_run(run):
        console.print(f"wrote {file}")


@app.command
def records() -> None:
    """The page that documents what a run writes, generated anew."""
    PAGE.write_text(page())
    console.print(f"wrote {PAGE}")


if __name__ == "__main__":
    sys.exit(run_verb(app))
