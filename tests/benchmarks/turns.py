"""The servers of an order in the load generator's process, for benchmarks that load them in ways of their own."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from loadtests.timing.slice_order import SliceOrder
from loadtests.timing.slices import Turn


def carry_out(load: Callable[[SliceOrder, Sequence[Turn]], object], order_file: str, result_file: str) -> None:
    """Open the connections to the servers of an order, load them, write what ``load`` returns as JSON, and exit."""
    order = msgspec.json.decode(Path(order_file).read_bytes(), type=SliceOrder)
    turns = [Turn(server, order.setup, order.slicing) for server in order.servers]
    for turn in turns:
        turn.open()
    Path(result_file).write_bytes(msgspec.json.encode(load(order, turns)))
    os._exit(0)  # users and their loops wait for turns that do not come
