"""Whether a stack measured in turn with others gets the value that it gets when it is up alone.

``python -m tests.benchmarks.sliced_alone [ROUNDS]`` measures every default stack on two fresh servers in each of 20
rounds, unless given: one that is up together with all the others, and one that is up by itself. Both are loaded in the
same slices. It prints the ratios within rounds as a table in Markdown and takes about half an hour on two cores.
"""

import random
import sys
from collections import defaultdict
from collections.abc import Iterable

from common.cli.parameters import StackParameters
from common.console import Terminal
from common.records.schema import Visit
from common.records.window import Window
from loadtests.analysis.values import requests_per_cpu_s
from loadtests.campaign.plan import PlannedVisit, round_order
from tests.benchmarks.rounds import SEED, prepared, ratio_table

ROUNDS = 20


def main() -> int:
    """Measure every stack both ways, and print the ratio of its value among others to that alone."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    terminal, ratios = Terminal(), defaultdict[str, list[float]](list)
    with prepared("sliced-alone", StackParameters(), rounds, terminal) as (experiment, subjects):
        names = [cell.name for cell in experiment.stacks()]
        for number in range(1, rounds + 1):
            visits = round_order(Window, names, number, SEED)
            batches: list[tuple[PlannedVisit, ...]] = [visits, *((one,) for one in visits)]
            random.Random(number).shuffle(batches)  # noqa: S311 -- not for secrets
            together, alone = dict[str, float](), dict[str, float]()
            for batch in batches:
                (together if batch is visits else alone).update(_values(experiment.visit(batch, subjects)))
            for name in together.keys() & alone.keys():
                ratios[name].append(together[name] / alone[name])
            terminal.say(f"round {number}/{rounds}")
    terminal.write(ratio_table(ratios, "among others / alone", "rounds"))
    return 0


def _values(visits: Iterable[Visit]) -> dict[str, float]:
    windows = [one for one in visits if isinstance(one, Window)]
    return {one.cell: value for one in windows if (value := requests_per_cpu_s(one.load)) is not None}


if __name__ == "__main__":
    sys.exit(main())
