"""The verbs of this room: load tests here, others in ``probes`` and ``generators``."""

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
from common.selection import canonical, one_of
from loadtests import generators, outcome, probes
from loadtests.arrivals import Arrivals
from loadtests.compare import compare_sides
from loadtests.compare import fail_if_slower as fail_if_slower_by
from loadtests.json_schemas import SCHEMAS, schemas
from loadtests.manifest import Settings, new_seed
from loadtests.publication import publish_run
from loadtests.records_page import PAGE, page
from loadtests.results import refuse_used
from loadtests.resuming import Resumed, refuse_settings
from loadtests.runner import resume_loadtest, run_loadtest
from loadtests.sides import Side
from loadtests.stopping import Stopping, share
from loadtests.throughput import SCENARIOS
from loadtests.web import open_web
from loadtests.wrk import read_tool

app = verbs(__doc__ or "")
console = terminal()

Users = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=10_000))]
Rounds = Annotated[int | None, Parameter(validator=validators.Number(gte=1, lte=1000))]
Delay = Annotated[int, Parameter(validator=validators.Number(gte=0, lte=MAX_DELAY_MS))]
Workers = Annotated[int, Parameter(validator=validators.Number(gte=0, lte=1000))]
Seed = Annotated[int | None, Parameter(validator=validators.Number(gte=0))]

for probe in probes.VERBS:
    app.command(probe)
for name, verb in generators.VERBS.items():
    app.command(verb, name=name)


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
    rate: str | None = None,
    arrivals: str | None = None,
    objective: str | None = None,
    rounds: Rounds = None,
    budget: str | None = None,
    precision: str | None = None,
    margin: str = "5%",
    seed: Seed = None,
    tool: str = "locust",
    workers: Workers = 0,
    out: Path | None = None,
    resume: str | None = None,
    python: str = DEFAULT_PYTHON,
) -> None:
    """Every stack asked for: held to the contract, then loaded in shuffled rounds on fresh servers; a table."""
    given = locals()
    if resume is not None:
        refuse_settings(loadtest, given)
        resume_loadtest(Resumed.read(resume), console)
        return
    settings = Settings(
        runtime=Runtime.read(runtime),
        scenario=one_of(scenario, SCENARIOS, variable="SCENARIO"),
        size=Size.read(vcpu, memory),
        users=users,
        delay_ms=delay,
        rate=rate,
        arrivals=None if arrivals is None else Arrivals(one_of(arrivals, Arrivals, variable="ARRIVALS")),
        objective=objective,
        stopping=Stopping.read(rounds=rounds, budget=budget, precision=precision, margin=margin),
        seed=new_seed() if seed is None else seed,
        tool=read_tool(tool),
        workers=workers,
    )
    if out is not None:
        refuse_used(out)
    candidates = choose(
        framework=framework, server=server, image=image, runtime=settings.runtime, python=python, size=settings.size
    )
    console.print(runtime_line(settings.runtime, runtime))
    run_loadtest(settings, candidates, out, console)


@app.command
def compare(
    *,
    a: str,
    b: str,
    server: str = DEFAULT,
    runtime: str = "auto",
    scenario: str = "hello",
    vcpu: str = "1",
    memory: str | None = None,
    users: Users = 16,
    delay: Delay = 100,
    rounds: Rounds = None,
    budget: str = "11m",
    margin: str = "5%",
    fail_if_slower: str | None = None,
    seed: Seed = None,
    out: Path | None = None,
) -> None:
    """Whether B is faster than A, slower, or neither: two versions, checkouts, servers, images, Pythons or runs."""
    first, second = Side.read(a, "A"), Side.read(b, "B")
    limit = None if fail_if_slower is None else share(fail_if_slower, variable="FAIL_IF_SLOWER")
    if canonical(runtime) == "auto" and not (first.needs_docker() or second.needs_docker()):
        runtime = Runtime.PROCESS
    settings = Settings(
        runtime=Runtime.read(runtime),
        scenario=one_of(scenario, SCENARIOS, variable="SCENARIO"),
        size=Size.read(vcpu, memory),
        users=users,
        delay_ms=delay,
        stopping=Stopping.read(
            rounds=rounds, budget=None if rounds else budget, precision=None, margin=margin, looks=outcome.LOOKS
        ),
        seed=new_seed() if seed is None else seed,
    )
    if out is not None:
        refuse_used(out)
    found = compare_sides(first, second, settings, server=server, out=out, console=console)
    if limit is not None:
        fail_if_slower_by(found, limit)


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
    """The page and the JSON Schemas that document what a run writes, generated anew."""
    SCHEMAS.mkdir(exist_ok=True)
    for file, text in {PAGE: page(), **schemas()}.items():
        file.write_text(text)
        console.print(f"wrote {file}", soft_wrap=True)


if __name__ == "__main__":
    sys.exit(run_verb(app))
