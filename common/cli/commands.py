"""Commands that build, serve, check and push stacks."""

import os
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter, validators

from common.aws.leases import clean
from common.aws.settings import Cluster, DryRun, FargateSettings, Region
from common.catalog.frameworks import frameworks
from common.catalog.pythons import DEFAULT_PYTHON, parse_pythons
from common.catalog.sizes import Runtime
from common.catalog.stacks import DEFAULT, images, pythons_in
from common.cli.app import parse_jobs
from common.cli.parameters import (
    APPS,
    FRAMEWORKS,
    IMAGES,
    NO_FARGATE,
    PYTHON,
    SERVERS,
    ForeignUrl,
    OnFargate,
    Port,
    Pythons,
    Registry,
    Service,
    SizeParameters,
    StackParameter,
    StackParameters,
    changed_of,
    refuse_given,
)
from common.conformance.checking import (
    LONGEST_S,
    SIZE,
    conform_all,
    conformance_record,
    conformance_tables,
    observation_tables,
    require_conforming,
)
from common.conformance.divergence_page import divergence_page, divergence_tables, observe_divergences
from common.conformance.running import DECLARATIONS, run_suite
from common.conformance.wire import Endpoint
from common.console import Terminal
from common.engine.bases import make_bases, pythons_with_recipe
from common.engine.builds import build_images
from common.engine.client import engine
from common.engine.sbom import bill_of_materials
from common.errors import FailedError, UsageError
from common.host.addresses import require_consent
from common.host.cores import split_cores
from common.host.folders import require_writable, write_file
from common.packages.variants import named_stacks
from common.project import ROOT
from common.registries.api import RegistryAddress
from common.registries.pushing import push_all, registry_pusher
from common.runtimes.candidates import DEFAULT_IMAGE, Candidate, require_local
from common.runtimes.preparation import PlannedServer, approve_cost, approve_open_ended_cost, available, prepare
from common.words import canonical, select

SBOMS = ROOT / "loadtests" / "results" / "sbom"

Declaration = Literal["yes", "no", "auto"]
"""Whether a server has a behaviour; ``auto`` observes it without judging it."""
Jobs = Annotated[
    int | None,
    Parameter(validator=validators.Number(gte=1, lte=64), help="Images built at once, 1 to 64; make -j sets it."),
]


def build(
    *,
    framework: Annotated[str, Parameter(help=FRAMEWORKS)] = DEFAULT,
    server: Annotated[str, Parameter(help=SERVERS)] = DEFAULT,
    image: Annotated[str, Parameter(help=IMAGES)] = "all",
    python: Annotated[str, Parameter(help=PYTHON)] = DEFAULT_PYTHON,
    base_registry: Annotated[str, Parameter(help="Registry or mirror that base images come from.")] = "",
    base: Annotated[str, Parameter(help="Reference of one base image, instead of the usual ones.")] = "",
    jobs: Jobs = None,
) -> None:
    """Build an image of every stack on every base image."""
    known = images()
    flavours = [known[name] for name in select(image, known, variable="IMAGE")]
    env = os.environ | {name: value for name, value in (("BASE_REGISTRY", base_registry), ("BASE", base)) if value}
    jobs = jobs or parse_jobs(os.environ.get("MAKEFLAGS", ""))
    chosen, report = named_stacks(framework, server, frameworks()), Terminal().say
    for version in parse_pythons(python, lambda: pythons_in(flavours)):
        build_images(chosen, flavours, version, jobs=jobs, report=report, env=env)


def sbom(
    *,
    framework: Annotated[str, Parameter(help=FRAMEWORKS)] = DEFAULT,
    server: Annotated[str, Parameter(help=SERVERS)] = DEFAULT,
    image: Annotated[str, Parameter(help=IMAGES)] = DEFAULT_IMAGE,
    python: Pythons = None,
    out: Annotated[Path, Parameter(help="Folder of the files.")] = SBOMS,
) -> None:
    """Write what is installed in images as bills of materials in CycloneDX, building images that are missing."""
    terminal = Terminal()
    candidates = _with_images(framework, server, image, python, terminal)
    prepare(candidates.values(), terminal.messages)
    for tag, candidate in candidates.items():
        file = out / f"{candidate.name}.cdx.json"
        write_file(file, bill_of_materials(tag))
        terminal.results.print(f"wrote {file}", soft_wrap=True)


def _with_images(
    framework: str, server: str, image: str, python: str | None, terminal: Terminal
) -> dict[str, Candidate]:
    """Return the available stacks that the variables select in images, by the tags of their images."""
    asked = StackParameters(framework=framework, server=server, image=image, python=python)
    candidates = asked.candidates(Runtime.DOCKER)
    engine()  # raises if no engine answers
    present = available(candidates, terminal.messages)
    return {candidate.tag: candidate for candidate in present if candidate.tag is not None}


def bases(
    *,
    image: Annotated[str, Parameter(help=IMAGES)] = "all",
    python: Annotated[str, Parameter(help=PYTHON)] = DEFAULT_PYTHON,
    optimised: Annotated[
        bool, Parameter(help="Compile free-threaded builds with PGO and LTO, in half an hour instead of minutes.")
    ] = False,
) -> None:
    """Make stand-in base images under the official names, where no container registry can be reached."""
    known, report = images(), Terminal().say
    flavours = [known[name] for name in select(image, known, variable="IMAGE")]
    for version in parse_pythons(python, pythons_with_recipe):
        make_bases(flavours, version, optimised=optimised, report=report)


def serve(
    stack: StackParameter = StackParameter(),
    *,
    size: SizeParameters = SizeParameters(),
    port: Port = 8000,
    service: Service = "no",
    fargate: OnFargate = NO_FARGATE,
) -> None:
    """Bring one stack up until Ctrl-C."""
    terminal, runtime = Terminal(), stack.parse_runtime()
    given = size.parse(runtime)
    fargate.refuse_load()
    candidate = stack.candidate(runtime, fargate=fargate).serving(APPS[service])
    if service != "no" and candidate.unavailable:
        raise UsageError(f"{candidate.name} is not available: {candidate.unavailable}.")
    if not approve_open_ended_cost(candidate, given, terminal.say):
        return
    prepare([candidate], terminal.messages)
    try:
        with candidate.serve(given, cores=split_cores(given.vcpu).server, inside=False, port=port) as running:
            terminal.say(f"{candidate.name} in the {runtime} runtime, until Ctrl-C")
            terminal.results.print(running.url)
            while (reason := running.exit_reason()) is None:
                time.sleep(0.1)
            raise FailedError(f"{candidate.name} ended: {reason}")
    except KeyboardInterrupt:
        terminal.say(f"{candidate.name} is down")


def conformance(
    stacks: StackParameters = StackParameters(),
    *,
    url: Annotated[str | None, Parameter(help="Base URL of a server that is already up, instead of stacks.")] = None,
    foreign_url: ForeignUrl = False,
    overlap: Annotated[
        Declaration | None, Parameter(help="Whether that server's sleeps overlap: yes, no, or auto to observe it.")
    ] = None,
    keep_alive: Annotated[
        Declaration | None, Parameter(help="Whether that server keeps connections: yes, no, or auto to observe it.")
    ] = None,
    service: Service = "no",
    fargate: OnFargate = NO_FARGATE,
) -> None:
    """Hold stacks to the contract, or a server that somebody else brought up."""
    terminal = Terminal()
    if url is not None:
        given = changed_of(conformance, {"stacks": stacks, "fargate": fargate})
        refuse_given(given, f"URL={url} is a server that is already up.")
        require_consent(Endpoint.parse(url).host, url=url, foreign_url=foreign_url)
        kept, overlaps = DECLARATIONS[keep_alive or "auto"], DECLARATIONS[overlap or "auto"]
        outcome = run_suite(url, keep_alive=kept, overlap=overlaps, app=APPS[service])
        outcomes = {url: conformance_record(outcome)}
        terminal.results.print(conformance_tables(outcomes), observation_tables(outcome))
    else:
        if foreign_url:
            raise UsageError("FOREIGN_URL=yes needs URL=.")
        for name, value in (("OVERLAP", overlap), ("KEEP_ALIVE", keep_alive)):
            if value is not None:
                raise UsageError(
                    f"{name}={value} needs URL=. Stacks of this project declare their behaviour in "
                    "common/catalog/servers.py."
                )
        runtime = stacks.parse_runtime()
        fargate.refuse_load()
        candidates = [candidate.serving(APPS[service]) for candidate in stacks.candidates(runtime, fargate=fargate)]
        planned = [PlannedServer(candidate=candidate, size=SIZE, needed_s=LONGEST_S) for candidate in candidates]
        if not approve_cost(planned, terminal.say):
            return
        outcomes = conform_all(candidates, terminal.messages)
        terminal.results.print(conformance_tables(outcomes))
    require_conforming(outcomes)


def divergences(
    stacks: StackParameters = StackParameters(),
    *,
    service: Service = "no",
    out: Annotated[Path | None, Parameter(help="Markdown page to write, instead of a table.")] = None,
) -> None:
    """Show what each stack does where the contract leaves it free."""
    terminal, runtime = Terminal(), require_local(stacks.parse_runtime())
    if service != "no" and out is not None:
        raise UsageError(
            f"OUT={out} and SERVICE={service} exclude each other: the page is about the contract of app.py. "
            "Leave one out."
        )
    if out is not None:
        require_writable(out)
    candidates = {candidate.name: candidate for candidate in stacks.candidates(runtime)}
    if canonical(stacks.framework) == "all" and canonical(stacks.server) == DEFAULT:  # servers differ, too
        floors = replace(stacks, framework="raw_asgi,raw_wsgi", server="all")
        candidates |= {candidate.name: candidate for candidate in floors.candidates(runtime)}
    candidates = {name: candidate.serving(APPS[service]) for name, candidate in candidates.items()}
    observed = observe_divergences(tuple(candidates.values()), terminal.messages)
    if out is None:
        terminal.results.print(divergence_tables(observed))
    else:
        write_file(out, divergence_page(observed, candidates, runtime))
        terminal.say(f"wrote {out}")


def push(
    *,
    registry: Registry,
    framework: Annotated[str, Parameter(help=FRAMEWORKS)] = DEFAULT,
    server: Annotated[str, Parameter(help=SERVERS)] = DEFAULT,
    image: Annotated[str, Parameter(help=IMAGES)] = "all",
    python: Pythons = None,
    ecr: Annotated[
        Literal["auto", "1"], Parameter(help="1 for an ECR under another name; auto goes by the host.")
    ] = "auto",
) -> None:
    """Push images to a registry, building those that are missing, and print their bytes there."""
    terminal, address = Terminal(), RegistryAddress.parse(registry)
    candidates = _with_images(framework, server, image, python, terminal)
    with registry_pusher(address, ecr=ecr == "1") as ready:  # a useless registry is reported before anything is built
        prepare(candidates.values(), terminal.messages)
        push_all(ready, list(candidates), report=partial(terminal.results.print, soft_wrap=True))


def fargate_clean(
    *,
    region: Region = None,
    cluster: Cluster = "default",
    everyones: Annotated[
        bool,
        Parameter(help="Also stop and remove what is in use by runs still in progress, on this machine or any other."),
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Remove tasks and task definitions that killed runs left on AWS, found by tag."""
    cloud = FargateSettings(region=region, dry_run=dry_run).cloud
    clean(cloud, cluster, everyones=everyones, report=Terminal().say)
