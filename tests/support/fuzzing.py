"""How many examples the tests try that look for a surprise among many; ``FUZZ_EXAMPLES=10000`` tries more."""

import os

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "2000"))
