"""``make master``, ``make worker`` and ``make generator``."""

from contextlib import nullcontext
from functools import partial
from typing import Annotated

from cyclopts import Parameter

from common.catalog.pythons import DEFAULT_PYTHON
from common.catalog.stacks import GENERATOR
from common.cli.parameters import ONE_PYTHON, ForeignUrl
from common.console import Terminal
from common.errors import UsageError
from common.records.load import Arrivals, LoadSpec
from common.registries.api import RegistryAddress
from common.registries.pushing import registry_pusher
from common.words import one_of
from loadtests.campaign.loop import start
from loadtests.campaign.parameters import Delay, Out, RunParameters, within
from loadtests.experiments.distributed.experiment import Address, begin_distributed, build_generator, follow
from loadtests.experiments.latency.experiment import parse_common_rate
from loadtests.scenarios.scenario import DELAY_MS, MOST_USERS_IN_ALL
from loadtests.scenarios.workloads import SCENARIOS, STEADY

Seconds = Annotated[float, within(0, 3600, "Seconds, 0 to 3600.")]


Patience = Annotated[float, within(0, 3600, "Seconds to wait for the other side.")]


def master(
    *,
    url: Annotated[str, Parameter(help="Base URL of the server: http://NAME[:PORT][/PREFIX].")],
    foreign_url: ForeignUrl = False,
    expect: Annotated[int, within(1, 1000, "Workers that have to join first, 1 to 1000.")],
    scenario: Annotated[str, Parameter(help=f"Workload: {', '.join(STEADY)}.")] = "hello",
    users: Annotated[int, within(1, MOST_USERS_IN_ALL, f"Connections, 1 to {MOST_USERS_IN_ALL:,}.")] = 64,
    delay: Delay = DELAY_MS,
    rate: Annotated[
        str | None, Parameter(help="Arrivals a second of SCENARIO=rate, of all workers together. Default: 100.")
    ] = None,
    warmup: Seconds = 2,
    window: Seconds = 10,
    bind: Annotated[str, Parameter(help="Where workers join: HOST:PORT.")] = "127.0.0.1:5557",
    patience: Patience = 300,
    out: Out = None,
) -> None:
    """Lead one window on a server elsewhere, measured by workers that join from other machines."""
    chosen = one_of(scenario, STEADY, variable="SCENARIO")
    open_loop = SCENARIOS[chosen].open_loop
    if rate is not None and not open_loop:
        raise UsageError(f"RATE={rate} needs SCENARIO=rate, not {chosen}.")
    load = LoadSpec(
        scenario=chosen,
        users=users,
        delay_ms=delay,
        rate=parse_common_rate(rate or "100") if open_loop else None,
        arrivals=Arrivals.CONSTANT if open_loop else None,
        warmup_s=warmup,
        window_s=window,
    )
    begin = partial(
        begin_distributed,
        url,
        foreign_url=foreign_url,
        load=load,
        workers=expect,
        bind=Address.parse(bind, variable="BIND"),
        patience_s=patience,
    )
    start("master", begin, RunParameters(out=out), Terminal())


def worker(
    *,
    master: Annotated[str, Parameter(help="Where the master listens: HOST:PORT.")],
    processes: Annotated[int, within(1, 1000, "Worker processes, 1 to 1000.")] = 1,
    patience: Patience = 300,
) -> None:
    """Join a master, generate the load that it asks for, and end when it does."""
    follow(Address.parse(master, variable="MASTER"), processes, patience, Terminal().messages)


def generator(
    *,
    registry: Annotated[str, Parameter(help="Registry to push to as well: HOST[:PORT][/PREFIX].")] = "",
    python: Annotated[str, Parameter(help=ONE_PYTHON)] = DEFAULT_PYTHON,
) -> None:
    """Build the image for masters, workers and second tasks, and push it if a registry is given."""
    terminal = Terminal()
    address = RegistryAddress.parse(registry) if registry else None
    with nullcontext() if address is None else registry_pusher(address) as ready:  # reported before anything is built
        image = build_generator(python, terminal.messages)
        terminal.results.print(f"built {image}")
        if ready is not None:
            terminal.results.print(str(ready.push(f"{GENERATOR}:latest", image_id=image)), soft_wrap=True)
