"""Whether a server gets the same value in turn with others as while it alone runs.

``python -m tests.benchmarks.taking_turns [SETS]`` brings up the servers of all default stacks in each of 10 sets,
unless given, and loads them in two ways: in turn, and each for several slices in a row while the processes of all
others are stopped. The two alternate every few seconds, so that the state of the machine is the same for both. It
prints their ratios as a table in Markdown, and takes a quarter of an hour.
"""

import sys
from collections import defaultdict
from collections.abc import Sequence

import msgspec

from common.cli.parameters import StackParameters
from common.console import Terminal
from loadtests.windows.sliced import carry_out, slice_order
from tests.benchmarks.rounds import prepared, ratio_table, servers_up

SETS = 10
PROGRAM = (sys.executable, "-m", "tests.benchmarks.taking_turns_load")

Slices = list[tuple[int, float]]
"""The correct responses and the CPU-seconds of each slice."""


def main() -> int:
    """Load the servers both ways, and print the ratio of what they gave in turn to what they gave alone."""
    sets = int(sys.argv[1]) if len(sys.argv) > 1 else SETS
    terminal, ratios = Terminal(), defaultdict[str, list[float]](list)
    with prepared("taking-turns", StackParameters(), sets, terminal) as (experiment, subjects):
        slicing = experiment.run.slicing
        assert slicing is not None
        for number in range(1, sets + 1):
            with servers_up(subjects, experiment.run.setup) as running:
                order = slice_order(list(running.values()), experiment.run.setup, slicing, seed=str(number))
                both_ways = msgspec.json.decode(carry_out(order, PROGRAM), type=list[tuple[Slices, Slices]])
            for name, (in_turn, alone) in zip(running, both_ways, strict=True):
                ratios[name].append(_rate(in_turn) / _rate(alone))
            terminal.say(f"set {number}/{sets}")
    terminal.write(ratio_table(ratios, "in turn / alone", "sets"))
    return 0


def _rate(slices: Sequence[tuple[int, float]]) -> float:
    return sum(requests for requests, _ in slices) / sum(cpu_s for _, cpu_s in slices)


if __name__ == "__main__":
    sys.exit(main())
