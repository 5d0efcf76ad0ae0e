"""``python -m tests.support.briefly COMMAND...``: the command line, with load that lasts a fraction of its usual time.

For tests of commands from end to end, in which the precision of figures does not matter.
"""

import sys

from loadtests.__main__ import main
from loadtests.experiments.latency import visit as traffic
from loadtests.scenarios import scenario
from loadtests.windows import sliced

if __name__ == "__main__":
    scenario.WARMUP_S, scenario.WINDOW_S = 0.2, 0.5  # before a command is imported, which takes them from there
    traffic.WINDOW_S = 0.5
    sliced.FEWEST_PASSES = sliced.MOST_PASSES = 8
    sys.exit(main())
