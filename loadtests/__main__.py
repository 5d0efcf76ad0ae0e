"""The verbs of this room: load tests here, others in ``probes`` and ``generators``."""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators

from common.aws.settings import FargateSettings
from common.catalog.images import DEFAULT_PYTHON
from common.catalog.selection import canonical, one_of
from common.catalog.sizes import Size
from common.catalog.stacks import DEFAULT
from common.cli.app import OnFargate, Port, verbs
from common.cli.app import run as run_verb
from common.conformance.candidates import LONGEST_S, SIZE
from common.console import terminal
from common.contract import MAX_DELAY_MS
from common.errors import UsageError
from common.records.documentation import PAGE, page
from common.records.json_schemas import SCHEMAS, schemas
from common.runtimes.approval import PlannedServer, approve_cost
from common.runtimes.candidates import Runtime, describe_runtime, parse_size, select_candidates, single_candidate
from common.runtimes.preparation import prepare
from loadtests import generators, probes
from loadtests.analysis import outcome
from loadtests.fargate.experiments import Factor, run_experiment, variants
from loadtests.runs.compare import compare_sides, resume_comparison
from loadtests.runs.compare import fail_if_slower as fail_if_slower_by
from loadtests.runs.manifest import WARMUP_S, WINDOW_S, Settings, new_seed
from loadtests.runs.publication import publish_run
from loadtests.runs.results import refuse_used
from loadtests.runs.resuming import Resumed, refuse_settings
from loadtests.runs.runner import resume_run, run_loadtest
from loadtests.runs.sides import Side
from loadtests.runs.stopping import Stopping, share
from loadtests.users.arrivals import Arrivals
from loadtests.web import open_web
from loadtests.windows.generator import Tool
from loadtests.windows.throughput import SCENARIOS, START_UP_S
from loadtests.windows.wrk import read_tool

app = verbs(__doc__ or "")
console = terminal()
say = partial(console.print, soft_wrap=True, markup=False)

Users = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=10_000))]
Rounds = Annotated[int | None, Parameter(validator=validators.Number(gte=1, lte=1000))]
Tasks = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=1000))]
Delay = Annotated[int, Parameter(validator=validators.Number(gte=0, lte=MAX_DELAY_MS))]
Workers = Annotated[int, Parameter(validator=validators.Number(gte=0, lte=1000))]
LOCAL = FargateSettings()
"""Nothing set that only Fargate takes."""
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
    fargate: OnFargate = LOCAL,
) -> None:
    """Every stack asked for: held to the contract, then loaded in shuffled rounds on fresh servers; a table."""
    given = locals()
    if resume is not None:
        refuse_settings(loadtest, given)
        resume_run(Resumed.read(resume), console)
        return
    kind = Runtime.parse(runtime)
    settings = Settings(
        runtime=kind,
        scenario=one_of(scenario, SCENARIOS, variable="SCENARIO"),
        size=parse_size(kind, vcpu, memory),
        users=users,
        delay_ms=delay,
        rate=rate,
        arrivals=None if arrivals is None else Arrivals(one_of(arrivals, Arrivals, variable="ARRIVALS")),
        objective=objective,
        stopping=Stopping.parse(rounds=rounds, budget=budget, precision=precision, margin=margin),
        seed=new_seed() if seed is None else seed,
        tool=read_tool(tool),
        workers=workers,
    )
    if fargate.load_from_task and settings.tool is not Tool.LOCUST:
        raise UsageError(f"TOOL={tool} needs LOAD_FROM=here; a second task has Locust.")
    if out is not None:
        refuse_used(out)
    candidates = select_candidates(
        framework=framework,
        server=server,
        image=image,
        runtime=kind,
        python=python,
        size=settings.size,
        fargate=fargate,
    )
    held = [PlannedServer(candidate=one, size=SIZE, needed_s=LONGEST_S) for one in candidates]
    window_s = WARMUP_S + WINDOW_S + START_UP_S
    loaded = [
        PlannedServer(candidate=one, size=settings.size, needed_s=window_s, loaded=True)
        for one in (*candidates, candidates[0])
    ]
    loaded *= settings.stopping.rounds  # the most there can be, the control among them
    if not approve_cost([*held, *loaded], say):
        return
    console.print(describe_runtime(settings.runtime, runtime))
    run_loadtest(settings, candidates, out, console)


@app.command
def compare(
    *,
    a: str = "",
    b: str = "",
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
    resume: str | None = None,
) -> None:
    """Whether B is faster than A, slower, or neither: two versions, checkouts, servers, images, Pythons or runs."""
    given = locals()
    limit = None if fail_if_slower is None else share(fail_if_slower, variable="FAIL_IF_SLOWER")
    if resume is not None:
        refuse_settings(compare, given)
        found = resume_comparison(Resumed.read(resume, comparison=True), console)
        if limit is not None:
            fail_if_slower_by(found, limit)
        return
    first, second = Side.parse(a, "A"), Side.parse(b, "B")
    if canonical(runtime) == "auto" and not (first.needs_docker() or second.needs_docker()):
        runtime = Runtime.PROCESS
    settings = Settings(
        runtime=Runtime.parse(runtime).local,
        scenario=one_of(scenario, SCENARIOS, variable="SCENARIO"),
        size=Size.parse(vcpu, memory),
        users=users,
        delay_ms=delay,
        stopping=Stopping.parse(
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
    kind = Runtime.parse(runtime)
    size = Size.parse(vcpu, memory)
    candidate = single_candidate(
        select_candidates(framework=framework, server=server, image=image, runtime=kind, python=python, size=size)
    )
    prepare([candidate], console)
    open_web(candidate, size, port, console)


@app.command
def experiment(
    *,
    name: str,
    framework: str = "flask_restful",
    server: str = DEFAULT,
    image: str | None = None,  # all for image-size, else fat
    vcpu: str | None = None,  # 0.25,0.5,1,2,4 for vcpu, else 1
    memory: str | None = None,
    tasks: Tasks = 10,
    endpoint_subnets: str = "",
    endpoint_security_groups: str = "",
    seed: Seed = None,
    out: Path | None = None,
    python: str = DEFAULT_PYTHON,
    fargate: OnFargate = LOCAL,
) -> None:
    """What one factor does to the start of Fargate tasks: image size, vCPU, or VPC endpoints; a table."""
    fargate.refuse_load()
    factor = Factor(one_of(name, Factor, variable="NAME"))
    if out is not None:
        refuse_used(out)
    image = image or factor.images
    candidates = select_candidates(
        framework=framework, server=server, image=image, runtime=Runtime.FARGATE, python=python, fargate=fargate
    )
    cells = variants(
        factor,
        candidates,
        vcpus=vcpu or factor.vcpus,
        memory=memory,
        fargate=fargate,
        endpoint_subnets=endpoint_subnets,
        endpoint_security_groups=endpoint_security_groups,
    )
    run_experiment(factor, cells, fargate, tasks=tasks, seed=seed, out=out, console=console)


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
