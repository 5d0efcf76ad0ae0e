"""The records that ``make shares FORMAT=json`` prints: a request's CPU time in parts."""

from typing import Annotated

from msgspec import Struct

from common.records.figure import Subject
from common.records.schema import SCHEMA_VERSION, says
from common.records.summary import Interval


class Share(Struct, frozen=True, kw_only=True):
    """The server's CPU time for a request of a scenario on one stack, in parts.

    The parts are what the floor on the same server takes for ``hello``, what it takes beyond that in the scenario, and
    what the stack takes beyond the floor in the scenario. All intervals hold in other runs on this machine.
    """

    scenario: Annotated[str, says("Name of the Locust workload.")]
    cell: Annotated[str, says("Name of the stack's cell.")]
    title: Annotated[str, says("The framework's name as its makers write it.")]
    version: Annotated[str | None, says("The framework's version; null for a floor.")]
    subject: Subject
    vcpu: Annotated[float, says("vCPUs given to the server.")]
    cost_s: Annotated[Interval, says("CPU time of the server for a request; the parts add up to it.")]
    floor: Annotated[str | None, says("The floor's cell on the same server, image and Python; null without one.")]
    server_s: Annotated[
        Interval | None,
        says("What the floor takes for `hello`: server and bare app; null without a load test of it made alike."),
    ]
    work_s: Annotated[
        Interval | None,
        says("What the floor takes beyond that in the scenario: driver and JSON, of two runs; null as above."),
    ]
    framework_s: Annotated[
        Interval | None, says("What the stack takes beyond the floor in the scenario, within rounds; null for a floor.")
    ]
    share: Annotated[
        Interval | None,
        says("The same as a share of the whole, 0 to 1, within rounds; without bounds if it is in doubt."),
    ]
    database_s: Annotated[
        Interval | None, says("CPU time of PostgreSQL for a request, on other cores: no part of the whole.")
    ]
    doubts: Annotated[dict[str, str], says("Verdicts on the stack or its floor by which the share is in doubt.")] = {}
    runs: Annotated[list[str], says("Ids of the runs of the scenario.")]
    hello_runs: Annotated[list[str], says("Ids of the runs of `hello` that the floor's part is from.")] = []


class Shares(Struct, frozen=True, kw_only=True):
    """One invocation of ``make shares``."""

    schema_version: Annotated[int, says("Schema version of this record.")] = SCHEMA_VERSION
    rows: Annotated[list[Share], says("One for each scenario and stack, the cheapest of each scenario first.")]
