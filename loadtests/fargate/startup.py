"""``make startup RUNTIME=fargate``: every stack at every size, held to the contract, then started as tasks."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path

from rich.console import Console

from common.aws.settings import FargateSettings
from common.aws.sizes import with_minimum_memory
from common.catalog.sizes import Size
from common.conformance.candidates import LONGEST_S, SIZE, conform_all, require_conforming, require_some_conforming
from common.errors import UsageError
from common.records.run import Conformance
from common.runtimes.approval import PlannedServer, print_dry_run
from common.runtimes.candidates import Candidate
from common.runtimes.fargate import START_DEADLINE_S
from loadtests.fargate.experiments import Variant, carry_out, lifetimes, manifest, words
from loadtests.fargate.starts import STARTUP
from loadtests.runs.results import RESULTS

TASKS = 10
"""Tasks of each cell unless ``ROUNDS=`` says otherwise."""


def refuse_local(**given: str | None) -> None:
    """``UsageError`` where a variable is set that asks for what is not ours to set on Fargate."""
    for variable, value in given.items():
        if value:
            raise UsageError(
                f"{variable.upper()}={value} needs RUNTIME=docker; on Fargate every start is one of a fresh machine."
            )


def run_startup(
    candidates: Sequence[Candidate],
    sizes: Sequence[Size],
    fargate: FargateSettings,
    *,
    tasks: int,
    seed: int | None,
    out: Path | None,
    console: Console,
) -> None:
    """Hold a task of every candidate to the contract, start those that conform; print and write what came of it.

    ``UsageError`` before anything is started where it may cost more than the ceiling; ``FailedError`` at the end where
    one does not conform or tasks did not start. With ``DRY_RUN=1`` each call is printed and none made.
    """
    say = partial(console.print, soft_wrap=True, markup=False)
    held = [PlannedServer(candidate=one, size=SIZE, needed_s=LONGEST_S) for one in candidates]
    starts = lifetimes([size for _ in candidates for size in sizes], tasks)
    fargate.budget.approve([*((with_minimum_memory(SIZE), START_DEADLINE_S + LONGEST_S) for _ in held), *starts], say)
    if fargate.dry_run:
        print_dry_run(held)
    outcomes: Mapping[str, Conformance] = {} if fargate.dry_run else conform_all(candidates, console)
    good = candidates if fargate.dry_run else list(require_some_conforming(candidates, outcomes).values())
    cells = variants(good, sizes, fargate, outcomes)
    experiment = manifest(STARTUP, cells, fargate, tasks, seed)
    carry_out(experiment, cells, fargate, out or RESULTS / STARTUP / experiment.id, console)
    require_conforming(outcomes)


def variants(
    candidates: Sequence[Candidate],
    sizes: Sequence[Size],
    fargate: FargateSettings,
    outcomes: Mapping[str, Conformance],
) -> tuple[Variant, ...]:
    """Every candidate at every size."""
    return tuple(
        Variant(
            name=f"{candidate.name} {words(size)}",
            candidate=candidate,
            size=size,
            subnets=fargate.subnets,
            groups=fargate.security_groups,
            conformance=outcomes.get(candidate.name),
        )
        for candidate, size in product(candidates, sizes)
    )
