"""The workloads of the contract, and every scenario by name. To add one, add a class: nothing else lists them."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from common.catalog.frameworks import App
from common.contract import HELLO, MAX_DELAY_MS, slept
from common.contract.service import SEEDED, USUAL_ROWS, seeded_order
from common.records import load
from loadtests.scenarios.own_requests import NAME, of_requests
from loadtests.scenarios.scenario import Climb, MakeRequest, Scenario, sends
from loadtests.users.responses import Check, Request, json_string

EXTRA_S = 10.0
"""The time beyond its delay after which a response counts as timed out."""
SLEEPERS_MARGIN = 1.1
"""The objective of sleepers: the highest 99th percentile allowed, as a multiple of the delay."""


def _hello(_: int) -> Request:
    return Request("/hello", expect=json_string(HELLO))


def _sleep(delay_ms: int) -> Request:
    return Request(
        f"/sleep/{delay_ms}",
        name="/sleep",
        expect=json_string(slept(delay_ms)),
        timeout_s=delay_ms / 1000 + EXTRA_S,
    )


def _bad_delay(_: int) -> Request:
    return Request("/sleep/forever", name="400", status=400, expect=_explains_the_limit)


def _unknown_path(_: int) -> Request:
    return Request("/nothing", name="404", status=404, expect=lambda _: True)


def _wrong_method(_: int) -> Request:
    return Request("/hello", name="405", method="DELETE", status=405, expect=lambda _: True)


QUOTE = {
    "customer": "Ada Lovelace",
    "items": [
        {"sku": "A-100", "quantity": 2, "price_cents": 1250},
        {"sku": "B-200", "quantity": 1, "price_cents": 990},
        {"sku": "C-300", "quantity": 7, "price_cents": 45},
        {"sku": "D-400", "quantity": 3, "price_cents": 12_000},
        {"sku": "E-500", "quantity": 1, "price_cents": 5},
    ],
}
"""The body of every request of ``quotes``."""
PRICED = {"customer": "Ada Lovelace", "items": 5, "total_cents": 39_810}


def _quote(_: int) -> Request:
    return Request(
        "/quotes",
        method="POST",
        status=201,
        headers=(("Content-Type", "application/json"),),
        body=json.dumps(QUOTE, separators=(",", ":")).encode(),
        expect=lambda body: bool(json.loads(body) == PRICED),
    )


def _orders_after(number: int) -> list[dict[str, object]]:
    return [seeded_order(later) for later in range(number + 1, number + 1 + USUAL_ROWS)]


def _one_order(number: int) -> MakeRequest:
    return lambda _: Request(f"/orders/{number}", name="/orders/ID", expect=_same_json(seeded_order(number)))


def _page_of_orders(number: int) -> MakeRequest:
    return lambda _: Request(
        f"/orders?after={number}", name="/orders?after=ID", expect=_same_json(_orders_after(number))
    )


ORDER = {"customer": "Ada Lovelace", "sku": "A-100", "quantity": 2, "price_cents": 1250}
"""The body of every request of ``place``."""


def _place(_: int) -> Request:
    return Request(
        "/orders",
        name="POST /orders",
        method="POST",
        status=201,
        headers=(("Content-Type", "application/json"),),
        body=json.dumps(ORDER, separators=(",", ":")).encode(),
        expect=_is_placed,
    )


def _is_placed(body: bytes) -> bool:
    order = json.loads(body)
    placed_at = datetime.fromisoformat(order.pop("placed_at"))
    number = order.pop("id")
    return (
        type(number) is int
        and number > SEEDED
        and placed_at.tzinfo is not None
        and order == {**ORDER, "reference": None}
    )


def _same_json(expected: object) -> Check:
    """Return a check for orders as they were seeded, whichever offset their times are written with."""
    return lambda body: _with_instants(json.loads(body)) == _with_instants(expected)


def _with_instants(orders: Any) -> Any:  # noqa: ANN401 -- JSON
    if isinstance(orders, list):
        return [_with_instants(order) for order in orders]
    return orders | {"placed_at": datetime.fromisoformat(orders["placed_at"])}


_READ = range(50, SEEDED - USUAL_ROWS, SEEDED // 64)
"""The ids of orders that scenarios read, so many that no two requests in a row are likely to be the same."""


def _explains_the_limit(body: bytes) -> bool:
    return str(MAX_DELAY_MS) in str(json.loads(body)["error"])


class Hello(Scenario):
    """Repeated ``/hello``: what the stack itself costs."""

    in_words = "a request that does no work"
    hello = sends(tags=("hello",))(_hello)


class Sleep(Scenario):
    """Repeated ``/sleep``: what waiting costs the stack."""

    sleeps = True
    sleep = sends(tags=("sleep",))(_sleep)


class Mixed(Sleep):
    """Nine times ``/hello``, once ``/sleep``, in random order."""

    hello = sends(weight=9, tags=("hello",))(_hello)


class Errors(Scenario):
    """The contract's error paths in turn: a bad delay (400), an unknown path (404), a wrong method (405)."""

    in_turn = True
    bad_delay = sends(tags=("400",))(_bad_delay)
    unknown_path = sends(tags=("404",))(_unknown_path)
    wrong_method = sends(tags=("405",))(_wrong_method)


class Quotes(Scenario):
    """Repeated ``POST /quotes``: a body of five items, parsed, validated and priced."""

    in_words = "a request that prices five items"
    app = App.SERVICE
    quote = sends(tags=("quotes",))(_quote)


class Order(Scenario):
    """``GET /orders/ID``, one row by its key from a database."""

    in_words = "a request that reads one row"
    app = App.ORDERS
    order = sends(tags=("order",))(*map(_one_order, _READ))


class Orders(Scenario):
    """``GET /orders``, twenty rows in the order of their keys from a database."""

    in_words = "a request that reads twenty rows"
    app = App.ORDERS
    page = sends(tags=("orders",))(*map(_page_of_orders, _READ))


class Place(Scenario):
    """Repeated ``POST /orders``: a body that is validated and written to a database."""

    in_words = "a request that writes one row"
    app = App.ORDERS
    place = sends(tags=("place",))(_place)


class Shop(Scenario):
    """Of ten requests, five read one order, two read twenty, two price a quote and one writes an order."""

    in_words = "a request of a shop's mix"
    app = App.ORDERS
    order = sends(weight=5, tags=("order",))(*map(_one_order, _READ))
    page = sends(weight=2, tags=("orders",))(*map(_page_of_orders, _READ))
    quote = sends(weight=2, tags=("quotes",))(_quote)
    place = sends(weight=1, tags=("place",))(_place)


class Rate(Hello):
    """``/hello`` at a rate, whether or not earlier requests are answered."""

    open_loop = True
    default_rate = load.Rate(share=0.5)


class Ramp(Rate):
    """``/hello`` at a rate that rises until the objective breaks."""

    climbs = Climb.RATE
    default_rate = load.Rate(rps=500)

    @classmethod
    def default_objective(cls, delay_ms: int) -> load.Objective:  # noqa: ARG003 -- as the base class has it
        """Hold a 99th percentile below 50 ms."""
        return load.Objective(fraction=0.99, limit_s=0.050)


class Sleepers(Sleep):
    """``/sleep`` on more and more connections, until the 99th percentile exceeds the delay by a tenth."""

    climbs = Climb.CONNECTIONS

    @classmethod
    def default_objective(cls, delay_ms: int) -> load.Objective:
        """Hold a 99th percentile below the delay plus a tenth."""
        return load.Objective(fraction=0.99, limit_s=delay_ms / 1000 * SLEEPERS_MARGIN)


_types = [value for value in globals().values() if isinstance(value, type)]
_classes = [kind for kind in _types if issubclass(kind, Scenario) and kind is not Scenario]
SCENARIOS = {scenario.name(): scenario for scenario in sorted(_classes, key=lambda scenario: scenario.name())}
"""Every class above, in alphabetical order."""
STEADY = tuple(name for name, scenario in SCENARIOS.items() if scenario.climbs is None)
"""Scenarios whose load is the same from beginning to end."""
CLOSED = tuple(name for name in STEADY if not SCENARIOS[name].open_loop)
"""Steady scenarios without an arrival rate: a closed loop."""


def scenario_for(spec: load.LoadSpec) -> type[Scenario]:
    """Return the scenario of a load: the one that it names, or one of the user's own requests."""
    return of_requests(spec.requests) if spec.requests else SCENARIOS[spec.scenario]


def scenario_names(spec: load.LoadSpec) -> Sequence[str]:
    """Return the names that a load with these requests may have as its scenario."""
    return (NAME,) if spec.requests else tuple(SCENARIOS)
