"""``make plan``: the cheapest tasks that carry a rate within a response time."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter, validators

from common.catalog.prices import Compute, Prices, load_prices
from common.catalog.sizes import Runtime
from common.cli.parameters import Format, StackParameters
from common.console import Terminal
from common.contract.service import CONNECTIONS
from common.errors import UsageError
from common.host.machine import machine
from common.records.capacity import CapacityPlan, Demand
from common.runtimes.candidates import require_local
from common.tables import Form, as_json
from common.words import parse_decimal, select
from loadtests.analysis.formatting import MS_PER_S
from loadtests.campaign.loop import conclude
from loadtests.campaign.parameters import LoadParameters, PathsParameters
from loadtests.campaign.store import require_unused
from loadtests.capacity.sentences import plan_notes, plan_sentences, plan_table
from loadtests.cli.planning import Planning, write_deployment
from loadtests.cli.proof import prove, require_limits, require_provable
from loadtests.cli.results import Amount, known_of_machine, with_measured
from loadtests.scenarios.workloads import CLOSED

LONGEST_S = 60.0
"""The longest response time, and the longest sleep, that can be planned for."""
MOST_BURST = 100
ONE_IN_A_HUNDRED = 0.01


def plan(
    stacks: StackParameters = StackParameters(),
    *,
    rate: Annotated[Amount, Parameter(help="Requests per second that all tasks together have to carry.")] = None,
    p99: Annotated[str | None, Parameter(help="Longest 99th percentile of the response time, such as 200ms.")] = None,
    sleep: Annotated[
        str | None, Parameter(help="Time that some requests wait for something else, such as 80ms; needs SHARE=.")
    ] = None,
    share: Annotated[str | None, Parameter(help="Share of requests that wait for SLEEP=, such as 30%.")] = None,
    scenario: Annotated[str, Parameter(help=f"Workload of the requests: {', '.join(CLOSED)}.")] = "hello",
    paths: Annotated[str | None, Parameter(help="TOML file of requests of your own, as for make loadtest.")] = None,
    burst: Annotated[
        float,
        Parameter(
            validator=validators.Number(gte=1, lte=MOST_BURST),
            help=f"Variance of arrivals over their mean in short times, 1 (Poisson) to {MOST_BURST}.",
        ),
    ] = 1.0,
    prices: Annotated[
        str | None,
        Parameter(
            help="Price lists joined by commas, or all, or a .toml file laid out like common/catalog/prices.toml. "
            "Default: those of this machine's architecture."
        ),
    ] = None,
    database_connections: Annotated[
        int | None,
        Parameter(validator=validators.Number(gte=1), help="Connections that the database accepts from all workers."),
    ] = None,
    pool: Annotated[
        int, Parameter(validator=validators.Number(gte=1, lte=10_000), help="Database connections of each worker.")
    ] = CONNECTIONS,
    measure: Annotated[
        Literal["yes", "no"], Parameter(help="Whether to measure what is not known of the stacks first.")
    ] = "no",
    out: Annotated[
        Path | None,
        Parameter(help="New folder for the cheapest plan as files: server settings, Compose, Kubernetes, ECS."),
    ] = None,
    prove_: Annotated[
        Literal["yes", "no"],
        Parameter(name="--prove", help="Whether to bring one task of the cheapest plan up and load it with its share."),
    ] = "no",
    format: Format = "text",  # noqa: A002 -- its name
) -> None:
    """Plan the cheapest tasks that carry a rate within a response time, and an autoscaler's target."""
    if rate is None or p99 is None:
        raise UsageError("make plan needs RATE= and P99=, such as RATE=2000 P99=200ms.")
    load = PathsParameters(paths=paths).apply_to(LoadParameters(scenario=scenario).parse(), Runtime.DOCKER)
    demand = Demand(
        rate_rps=rate,
        p99_s=parse_response_time(p99, variable="P99"),
        scenario=load.scenario,
        sleep_s=0.0 if sleep is None else parse_response_time(sleep, variable="SLEEP"),
        sleep_share=0.0 if share is None else parse_part(share, variable="SHARE"),
        burst=burst,
        connections=database_connections,
        pool=pool,
    )
    _require_possible(demand, sleep, share)
    if prove_ == "yes":
        require_provable(demand)
    listed, offers = _parse_prices(prices)
    if out is not None:
        require_unused(out, named=f"OUT={out}")
    terminal = Terminal(form=Form(format))
    figures = known_of_machine(terminal)
    chosen = with_measured(stacks, figures)
    runtime = require_local(chosen.parse_runtime())
    if prove_ == "yes":
        require_limits(runtime)
    planning = Planning(
        candidates=chosen.candidates(runtime),
        demand=demand,
        requests=load.redacted().requests,
        paths=paths,
        prices=listed,
        offers=offers,
        terminal=terminal,
    )
    made = planning.make(figures, measure=measure == "yes")
    best = made.plans[0]
    _present(made, terminal)
    if out is not None:
        write_deployment(best, demand, planning.candidate_of(best), out, terminal)
    if prove_ == "yes":
        prove(best, demand, planning.candidate_of(best), terminal)


def _present(made: CapacityPlan, terminal: Terminal) -> None:
    if terminal.form is Form.JSON:
        terminal.write(as_json(made))
        return
    terminal.show(plan_table(made))
    for note in plan_notes(made, machine()):
        terminal.note(note)
    conclude(plan_sentences(made.plans), terminal)


def parse_response_time(text: str, *, variable: str) -> float:
    """Return the seconds of a time such as ``200ms``, ``0.2s`` or ``200``, which are milliseconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|)", text.strip().casefold(), re.ASCII)
    value_s = 0.0 if found is None else float(found[1]) / (1 if found[2] == "s" else MS_PER_S)
    if not 0 < value_s <= LONGEST_S:
        raise UsageError(
            f"invalid {variable}={text or '(empty)'}: must be a time above 0 and up to {LONGEST_S:g}s, such as 200ms."
        )
    return value_s


def parse_part(text: str, *, variable: str) -> float:
    """Return a share such as ``30%`` or ``30`` as a number from 0 to 1."""
    try:
        part = parse_decimal(text.strip().removesuffix("%").rstrip()) / 100
    except ValueError:
        part = 0.0
    if not 0 < part <= 1:
        raise UsageError(f"invalid {variable}={text or '(empty)'}: must be above 0 and at most 100%, such as 30%.")
    return part


def _require_possible(demand: Demand, sleep: str | None, share: str | None) -> None:
    if (sleep is None) != (share is None):
        given, other = ("SLEEP", "SHARE") if share is None else ("SHARE", "SLEEP")
        value = sleep if share is None else share
        raise UsageError(f"{given}={value} needs {other}=, such as SLEEP=80ms SHARE=30%.")
    if demand.sleep_share > ONE_IN_A_HUNDRED and demand.sleep_s >= demand.p99_s:
        raise UsageError(
            f"SLEEP={sleep} of SHARE={share} of all requests takes the whole of P99={demand.p99_s * MS_PER_S:g}ms: "
            "raise P99=, or lower SLEEP= or SHARE= (to at most 1%)."
        )


def _parse_prices(text: str | None) -> tuple[Prices, Sequence[Compute]]:
    """Return the prices, and the price lists among them that ``PRICES=`` names."""
    if text is not None and text.endswith(".toml"):
        own = load_prices(Path(text))
        return own, own.compute
    usual = load_prices()
    names = [offer.name for offer in usual.compute]
    if text is not None:
        chosen = select(text, names, variable="PRICES")
        return usual, [offer for offer in usual.compute if offer.name in chosen]
    alike = [offer for offer in usual.compute if offer.architecture == machine().architecture]
    return usual, alike or usual.compute
