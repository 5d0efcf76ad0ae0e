"""The verbs of this room, in the order of the flow: list, lock, build, bases, serve, conformance, push."""

import os
import sys
import time
from functools import partial
from typing import Annotated, Literal

from cyclopts import Parameter, validators

from common.aws.leftovers import Leftovers
from common.aws.settings import FargateSettings
from common.catalog import inventory
from common.catalog.frameworks import frameworks
from common.catalog.images import DEFAULT_PYTHON, images
from common.catalog.selection import select
from common.catalog.stacks import DEFAULT, stacks
from common.cli.app import OnFargate, Port, run, verbs
from common.conformance.candidates import (
    LONGEST_S,
    SIZE,
    conform_all,
    conformance_record,
    conformance_table,
    require_conforming,
)
from common.conformance.running import run_suite
from common.console import terminal
from common.engine.bases import make_bases
from common.engine.builds import build_images
from common.engine.client import engine
from common.errors import FailedError, UsageError
from common.host.cores import split_cores
from common.packages import locks
from common.registries.api import RegistryAddress
from common.registries.pushing import push_all, registry_pusher
from common.runtimes.approval import PlannedServer, approve_cost, approve_open_ended_cost
from common.runtimes.candidates import Runtime, parse_size, select_candidates, single_candidate
from common.runtimes.preparation import available, prepare

app = verbs(__doc__ or "")
console = terminal()
say = partial(console.print, soft_wrap=True, markup=False)

LOCAL = FargateSettings()
"""Nothing set that only Fargate takes."""
Jobs = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=64))]


@app.command(name="list")
def list_(*, format: Literal["text", "json"] = "text") -> None:  # noqa: A002 -- the variable's name
    """What there is to choose from, and what is not available."""
    try:
        engine()
        missing = None
    except UsageError as error:
        missing = str(error)
    known = frameworks()
    if format == "json":
        print(inventory.as_json(known, missing))  # noqa: T201 -- as it is, for other programs
    else:
        console.print(inventory.as_tables(known, missing))


@app.command
def lock(*, framework: str = "all") -> None:
    """Pin a framework's packages and those of its servers, with hashes."""
    known = frameworks()
    for name in select(framework, known, variable="FRAMEWORK"):
        with console.status(f"locking {name}"):
            file = locks.lock(known[name])
        console.print(f"{name}: {file}")


@app.command
def build(
    *,
    framework: str = "all",
    server: str = DEFAULT,
    image: str = "all",
    python: str = DEFAULT_PYTHON,
    base_registry: str = "",
    base: str = "",
    jobs: Jobs = 1,
) -> None:
    """An image of every stack on every base asked for."""
    known = images()
    flavours = [known[name] for name in select(image, known, variable="IMAGE")]
    os.environ |= {name: value for name, value in (("BASE_REGISTRY", base_registry), ("BASE", base)) if value}
    build_images(stacks(framework, server, frameworks()), flavours, python, jobs=jobs, report=say)


@app.command
def bases(*, python: str = DEFAULT_PYTHON) -> None:
    """Stand-in base images under the official names."""
    make_bases(tuple(images().values()), python, report=say)


@app.command
def serve(
    *,
    framework: str,
    server: str = DEFAULT,
    runtime: str = "auto",
    image: str | None = None,
    vcpu: str = "1",
    memory: str | None = None,
    port: Port = 8000,
    python: str = DEFAULT_PYTHON,
    fargate: OnFargate = LOCAL,
) -> None:
    """One stack, until it is interrupted."""
    kind = Runtime.parse(runtime)
    size = parse_size(kind, vcpu, memory)
    fargate.refuse_load()
    candidate = single_candidate(
        select_candidates(
            framework=framework, server=server, image=image, runtime=kind, python=python, size=size, fargate=fargate
        )
    )
    if not approve_open_ended_cost(candidate, size, say):
        return
    prepare([candidate], console)
    try:
        with candidate.serve(size, cores=split_cores(size.vcpu).server, inside=False, port=port) as running:
            console.print(f"{candidate.name} in the {kind} runtime, until Ctrl-C")
            console.print(running.url)
            while (how := running.exit_reason()) is None:
                time.sleep(0.1)
            raise FailedError(f"{candidate.name} ended: {how}")
    except KeyboardInterrupt:
        console.print(f"{candidate.name} is down")


@app.command
def conformance(
    *,
    framework: str = "all",
    server: str = DEFAULT,
    runtime: str = "auto",
    image: str | None = None,
    python: str = DEFAULT_PYTHON,
    url: str | None = None,
    fargate: OnFargate = LOCAL,
) -> None:
    """The suite against every stack asked for, or against one that somebody else brought up."""
    if url is not None:
        outcomes = {url: conformance_record(run_suite(url, keep_alive=None, overlap=None))}
    else:
        kind = Runtime.parse(runtime)
        fargate.refuse_load()
        candidates = select_candidates(
            framework=framework, server=server, image=image, runtime=kind, python=python, fargate=fargate
        )
        if not approve_cost([PlannedServer(candidate=one, size=SIZE, needed_s=LONGEST_S) for one in candidates], say):
            return
        outcomes = conform_all(candidates, console)
    console.print(conformance_table(outcomes))
    require_conforming(outcomes)


@app.command
def push(
    *,
    registry: str,
    framework: str = "all",
    server: str = DEFAULT,
    image: str = "all",
    python: str = DEFAULT_PYTHON,
    ecr: Literal["auto", "1"] = "auto",
) -> None:
    """Images into a registry, those that are missing built first, and what they weigh there."""
    address = RegistryAddress.parse(registry)
    chosen = select_candidates(
        framework=framework, server=server, image=image, runtime=Runtime.parse("docker"), python=python
    )
    candidates = available(chosen, console)
    with registry_pusher(
        address, ecr=ecr == "1"
    ) as ready:  # a registry that cannot be used is told before anything is built
        prepare(candidates, console)
        push_all(ready, candidates, report=say)


@app.command(name="fargate-clean")
def fargate_clean(
    *, region: str | None = None, cluster: str = "default", everyones: bool = False, dry_run: bool = False
) -> None:
    """What killed runs of this machine left on AWS, removed; with EVERYONES=1 what other machines made too."""
    cloud = FargateSettings(region=region, dry_run=dry_run).cloud
    found = Leftovers.find(cloud, cluster)
    taken = found if everyones else found.orphans()
    taken.remove(cloud, cluster)
    say(f"removed {taken}")
    if kept := found.less(taken):
        say(f"left {kept}: other machines' or of processes that still run; EVERYONES=1 removes them too")


if __name__ == "__main__":
    sys.exit(run(app))
