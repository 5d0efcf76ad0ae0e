"""Prepare what candidates need before they can be brought up, and approve what they will cost.

Processes need environments, Docker images. Fargate pulls images from a registry, so there the preparation only checks
that they exist; only there, tasks are billed.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from rich.console import Console

from common.aws.calls import AwsCallError, AwsClient
from common.aws.leases import Leftovers
from common.aws.settings import FargateSettings, names
from common.aws.spending import with_minimum_memory
from common.catalog.sizes import Size
from common.catalog.stacks import GENERATOR, Image, make_command
from common.console import LiveProgress, live_progress
from common.engine.builds import build_images
from common.errors import BenchmarkError, FailedError, UsageError
from common.packages.environments import environment
from common.registries.ecr import ecr_account, ecr_region
from common.runtimes.candidates import Candidate
from common.runtimes.fargate import GENERATOR_SIZE, START_DEADLINE_S

PULL_ENDPOINTS = frozenset({"ecr.api", "ecr.dkr", "s3"})
"""The VPC endpoints that a pull from ECR uses: the first two for manifests, S3 for layers."""


def prepare(candidates: Collection[Candidate], console: Console) -> None:
    """Make what is missing or out of date; ``UsageError`` or ``FailedError`` if that fails.

    Images are always built: that takes a moment if nothing has changed, and measuring a stale image would be wrong.
    """
    for name, reason in _unprepared(candidates, console).items():
        raise FailedError(_not_available(name, reason))


def prepare_available(candidates: Sequence[Candidate], console: Console) -> tuple[list[Candidate], dict[str, str]]:
    """Prepare the candidates that are available; return those that are ready, and why others are not, by name.

    A Python that cannot be had, or for which a package has no wheel, leaves out its stacks and no others.
    """
    runnable = available(candidates, console)
    unavailable = {
        candidate.name: candidate.unavailable for candidate in candidates if candidate.unavailable is not None
    }
    unprepared = _unprepared(runnable, console)
    for name, reason in unprepared.items():
        console.print(_not_available(name, reason), soft_wrap=True)
    return [candidate for candidate in runnable if candidate.name not in unprepared], unavailable | unprepared


def _unprepared(candidates: Collection[Candidate], console: Console) -> dict[str, str]:
    """Prepare candidates, and return the reasons why some cannot be, by name.

    Raise the error of the first if none can be, and of one that fails on the default Python or for another reason.
    """
    if (fargate := next((candidate.fargate for candidate in candidates), None)) is not None:
        sweep(fargate, partial(console.print, soft_wrap=True))
        require_pushed(fargate, candidates)
        return {}
    own = [candidate for candidate in candidates if candidate.guest is None]
    by_python: dict[tuple[Image | None, str], list[Candidate]] = {}
    for candidate in own:
        by_python.setdefault((candidate.image, candidate.python), []).append(candidate)
    unprepared, errors = dict[str, str](), list[BenchmarkError]()
    with live_progress("getting ready", len(own), console) as display:
        for (image, python), alike in by_python.items():
            try:
                if image is None:
                    unprepared |= _environments(alike, display)
                else:
                    unprepared |= _images(alike, image, python, display)
            except UsageError as error:
                errors.append(error)
                unprepared |= dict.fromkeys((candidate.name for candidate in alike), str(error))
    if errors and len(unprepared) == len(own):
        raise errors[0]
    return unprepared


def _environments(candidates: Sequence[Candidate], display: LiveProgress) -> dict[str, str]:
    """Make environments; return why some on a Python other than this program's cannot be made."""
    unprepared = {}
    for candidate in candidates:
        display.start(f"environment of {candidate.name}")
        try:
            environment(candidate.stack, candidate.interpreter)
        except FailedError as error:
            if candidate.interpreter is None:
                raise
            unprepared[candidate.name] = str(error)
            display.done(f"{candidate.name} is not available")
        else:
            display.done(f"{candidate.name} is ready")
    return unprepared


def _images(candidates: Sequence[Candidate], image: Image, python: str, display: LiveProgress) -> dict[str, str]:
    """Build images; return why some are not available."""
    display.start(f"images on {image.name}")
    outcomes = build_images([candidate.stack for candidate in candidates], [image], python, report=display.done)
    reasons = {outcome.tag: outcome.reason for outcome in outcomes if outcome.size_bytes is None}
    return {candidate.name: reasons[candidate.tag] for candidate in candidates if candidate.tag in reasons}


def require_pushed(fargate: FargateSettings, candidates: Iterable[Candidate]) -> None:
    """Raise ``UsageError`` with the command to run for an image that tasks will pull and that is not in ECR."""
    commands = {
        candidate.tag: _push_command(candidate, fargate.registry)
        for candidate in candidates
        if candidate.tag is not None
    }
    if fargate.load_from_task:
        commands[f"{GENERATOR}:latest"] = f"make generator REGISTRY={fargate.registry}"
    require_images(fargate, commands)


def _push_command(candidate: Candidate, registry: str) -> str:
    """Return the command line that puts a candidate's image into a registry, and no other image."""
    selected = replace(candidate.stack_name, framework=candidate.stack.framework.selector)
    return make_command("push", {"REGISTRY": registry, **selected.variables})


def available(candidates: Sequence[Candidate], console: Console) -> list[Candidate]:
    """Return the candidates that are available; print why the others are not."""
    for candidate in candidates:
        if candidate.unavailable is not None:
            console.print(_not_available(candidate.name, candidate.unavailable), soft_wrap=True)
    return [candidate for candidate in candidates if candidate.unavailable is None]


def _not_available(name: str, reason: str) -> str:
    return f"{name} is not available: {reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedServer:
    """A server that a command will bring up, and how long it is needed at most once it answers."""

    candidate: Candidate
    size: Size
    needed_s: float
    loaded: bool = False
    """Whether it is loaded; with ``LOAD_FROM=task``, a second task is then paid for too, and its start waited for."""

    def tasks(self, fargate: FargateSettings) -> list[tuple[Size, float]]:
        """Return the size and the longest lifetime in seconds of each task that it takes."""
        lifetime_s = START_DEADLINE_S + self.needed_s
        if not (self.loaded and fargate.load_from_task):
            return [(with_minimum_memory(self.size), lifetime_s)]
        return [(with_minimum_memory(self.size), START_DEADLINE_S + lifetime_s), (GENERATOR_SIZE, lifetime_s)]


def approve_cost(planned: Sequence[PlannedServer], report: Callable[[str], None]) -> bool:
    """Return whether to bring the servers up; ``UsageError`` if they may cost more than the ceiling.

    With ``DRY_RUN=1``, every call that they would take is printed, and nothing is brought up.
    """
    fargate = next((server.candidate.fargate for server in planned), None)  # which all candidates share
    if fargate is None:
        return True
    fargate.budget.approve([task for server in planned for task in server.tasks(fargate)], report)
    if fargate.dry_run:
        print_dry_run(planned)
    return not fargate.dry_run


def approve_open_ended_cost(candidate: Candidate, size: Size, report: Callable[[str], None]) -> bool:
    """Return whether to bring up a server that runs until it is interrupted or the ceiling is reached.

    Errors and ``DRY_RUN=1`` as ``approve_cost``.
    """
    if candidate.fargate is None:
        return True
    candidate.fargate.budget.approve_open_end(with_minimum_memory(size), report)
    if candidate.fargate.dry_run:
        print_dry_run([PlannedServer(candidate=candidate, size=size, needed_s=0)])
    return not candidate.fargate.dry_run


def print_dry_run(planned: Sequence[PlannedServer]) -> None:
    """Bring each server up with a client that only prints the calls."""
    for server in planned:
        with server.candidate.serve(server.size, cores=()) as running:
            if server.loaded and running.load_task is not None:
                running.load_task.ask(("a window's order",), server.needed_s)


def sweep(settings: FargateSettings, report: Callable[[str], None]) -> None:
    """Remove what killed runs left on AWS, from any machine, once their leases have expired."""
    orphans = Leftovers.find(settings.cloud, settings.cluster).orphans()
    orphans.remove(settings.cloud, settings.cluster)
    if orphans.tasks or orphans.definitions:
        report(f"removed {orphans} that a killed run left behind")


def require_images(settings: FargateSettings, commands: Mapping[str, str]) -> None:
    """Raise ``UsageError`` for an image that is not in ECR; other registries are queried by Fargate alone.

    ``commands`` are the command lines that push the images, by their tags. ECR is that of the registry's own region and
    account, which may be others than those of the tasks.
    """
    if not settings.on_ecr:
        return
    host, cloud = settings.registry.partition("/")[0], settings.cloud
    region = ecr_region(host)
    if not cloud.dry_run and cloud.known_region != region:
        cloud = AwsClient(region=region)
    for tag, command in sorted(commands.items()):
        _, _, path = settings.image(tag).partition("/")
        repository, _, name = path.rpartition(":")
        image = {"repositoryName": repository, "imageIds": [{"imageTag": name}]}
        try:
            cloud.call("ecr", "DescribeImages", registryId=ecr_account(host), **image)
        except AwsCallError as error:
            if error.code not in {"ImageNotFoundException", "RepositoryNotFoundException"}:
                raise
            raise UsageError(f"{settings.image(tag)} is not in the registry. Run: {command}") from error


def require_contrast(cloud: AwsClient, without: str, through: str) -> None:
    """Raise ``UsageError`` unless only the subnets ``through`` have VPC endpoints for pulling images."""
    present_without, present_through = _pull_endpoints(cloud, without), _pull_endpoints(cloud, through)
    if cloud.dry_run:
        return
    # A gateway endpoint for S3 is free and common, and pulls still leave the VPC for ECR itself.
    if unwanted := sorted(present_without - {"s3"}):
        raise UsageError(
            f"invalid SUBNETS={without}: VPC has endpoints for {', '.join(unwanted)}; must be in a VPC without them"
        )
    if missing := sorted(PULL_ENDPOINTS - present_through):
        raise UsageError(
            f"invalid ENDPOINT_SUBNETS={through}: VPC has no endpoints for {', '.join(missing)}; "
            f"must be in a VPC with {', '.join(sorted(PULL_ENDPOINTS))}"
        )


def _pull_endpoints(cloud: AwsClient, subnets: str) -> set[str]:
    described = cloud.call("ec2", "DescribeSubnets", SubnetIds=names(subnets))["Subnets"]
    vpcs = sorted({row["VpcId"] for row in described})
    rows = cloud.call("ec2", "DescribeVpcEndpoints", Filters=[{"Name": "vpc-id", "Values": vpcs}])["VpcEndpoints"]
    services = {re.sub(r"^com\.amazonaws\.[a-z0-9-]+\.", "", row["ServiceName"]) for row in rows}
    return services & PULL_ENDPOINTS
