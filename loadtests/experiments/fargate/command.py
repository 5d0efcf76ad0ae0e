"""``make experiment``."""

from functools import partial
from typing import Annotated

from cyclopts import Parameter

from common.catalog.sizes import Runtime
from common.catalog.stacks import DEFAULT
from common.cli.parameters import FRAMEWORKS, IMAGES, NO_FARGATE, SERVERS, OnFargate, Pythons, StackParameters
from common.words import one_of
from loadtests.campaign.loop import start
from loadtests.campaign.parameters import VCPUS, RunParameters, within
from loadtests.campaign.resume import resumable
from loadtests.experiments.fargate.experiment import TASKS, Factor, approve_starts, begin_factor, factor_variants

Tasks = Annotated[int, within(1, 1000, "Tasks of each kind, 1 to 1000.")]


@resumable
def experiment(
    *,
    name: Annotated[str, Parameter(help=f"Factor that is varied: {', '.join(Factor)}.")] = "",
    framework: Annotated[str, Parameter(help=FRAMEWORKS)] = "flask_restful",
    server: Annotated[str, Parameter(help=SERVERS)] = DEFAULT,
    image: Annotated[str | None, Parameter(help=f"{IMAGES} Default: all for image-size, otherwise fat.")] = None,
    vcpu: Annotated[str | None, Parameter(help=f"{VCPUS} Default: 0.25,0.5,1,2,4 for vcpu, otherwise 1.")] = None,
    memory: Annotated[str | None, Parameter(help="Memory of tasks, such as 2g; the least unless given.")] = None,
    tasks: Tasks = TASKS,
    endpoint_subnets: Annotated[str, Parameter(help="Subnets of a VPC with endpoints for ECR and S3.")] = "",
    endpoint_security_groups: Annotated[str, Parameter(help="Security groups there.")] = "",
    python: Pythons = None,
    run: RunParameters = RunParameters(),
    fargate: OnFargate = NO_FARGATE,
) -> None:
    """Measure what image size, vCPU or VPC endpoints do to the start of Fargate tasks."""
    terminal = run.terminal()
    fargate.refuse_load()
    factor = Factor(one_of(name, Factor, variable="NAME"))
    stacks = StackParameters(framework=framework, server=server, image=image or factor.images, python=python)
    candidates = stacks.candidates(Runtime.FARGATE, fargate=fargate)
    variants = factor_variants(
        factor,
        candidates,
        vcpus=vcpu or factor.vcpus,
        memory=memory,
        endpoint_subnets=endpoint_subnets,
        endpoint_security_groups=endpoint_security_groups,
    )
    if not approve_starts(variants, tasks, terminal.messages):
        return
    begin = partial(begin_factor, factor, variants, tasks=tasks, messages=terminal.messages)
    start(factor, begin, run, terminal)
