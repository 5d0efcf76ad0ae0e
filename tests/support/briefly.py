"""``python -m tests.support.briefly COMMAND...``: the command line, with load that lasts a fraction of its usual time.

For tests of commands from end to end, in which the precision of figures does not matter.
"""

import sys

from loadtests.cli import main, parameters
from loadtests.windows import sliced

if __name__ == "__main__":
    parameters.WARMUP_S, parameters.WINDOW_S = 0.2, 0.5
    sliced.FEWEST_PASSES = sliced.MOST_PASSES = 8
    sys.exit(main.main())
