"""Kill commands and say what did not hold; exit status 1 where anything did not."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.kills.running import try_kills


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.kills", description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="number of kills (default: 200)")
    parser.add_argument("--seed", type=int, default=1, help="seed of their commands and moments (default: 1)")
    parser.add_argument("--only", default="", help="kill only commands whose name holds this text")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kills-") as place:
        kills = try_kills(Path(place), given.count, given.seed, only=given.only, report=print)
    bad = sum(bool(one.problems) for one in kills)
    print(f"{len(kills)} kills, seed {given.seed}: {bad} left or lost something")  # noqa: T201 -- a command's result
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
