"""The number of random examples in each slow fuzz test; ``FUZZ_EXAMPLES=10000`` tries more."""

import os

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "1000"))
