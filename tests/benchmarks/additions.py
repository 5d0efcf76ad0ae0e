"""The price list of additions against a known truth: a middleware that uses exactly 50 us of CPU time.

``python -m tests.benchmarks.additions [docker]`` prices one, three and six of them on the two floors, as processes or
in containers, and prints the truth and what was read. Exit status 1 where a price is further from the truth than
``BOUND_US`` for each middleware. The bound is for a quiet machine.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from common.catalog.frameworks import frameworks
from common.contract.extras import EMPTY_MIDDLEWARES
from common.project import ROOT
from common.records.schema import decode
from loadtests.experiments.extras.records import ExtrasSummary

BURNT_US, BOUND_US = 50, 3
FLOORS = ("raw_asgi", "raw_wsgi")
BURN = f"""

def burn():
    # CPU time of the thread, whose reading takes a part of a microsecond
    end_ns = time.thread_time_ns() + {BURNT_US * 1000}
    while time.thread_time_ns() < end_ns:
        pass
"""
CALLS = {"await self.app(": "burn()\n        await self.app(", "return self.app(": "burn()\n        return self.app("}
"""What middlewares of the floors do, and with what it is replaced."""


def main(runtime: str) -> int:
    """Print the truth and the price of each addition in microseconds; 1 where one is beyond the bound."""
    broken = False
    for price in priced(runtime).prices:
        count = EMPTY_MIDDLEWARES[price.name]
        assert price.cost_s is not None
        read_us = price.cost_s.estimate * 1e6
        held = abs(read_us - count * BURNT_US) <= count * BOUND_US
        broken = broken or not held
        said = "held" if held else "not held"
        print(f"{price.stack}, {price.title}: {count * BURNT_US} us, read {read_us:.1f} us: {said}")  # noqa: T201
    return int(broken)


def priced(runtime: str) -> ExtrasSummary:
    """Return the price list of floors whose middlewares burn CPU time."""
    with tempfile.TemporaryDirectory(prefix="additions-") as temporary:
        place = Path(temporary)
        names = ",".join(str(burning_folder(name, place)) for name in FLOORS)
        line = [sys.executable, "-m", "loadtests", "extras", f"--framework={names}", f"--runtime={runtime}"]
        line += [f"--extras={','.join(EMPTY_MIDDLEWARES)}", f"--out={place / 'run'}"]
        subprocess.run(line, cwd=ROOT, check=False, stdout=subprocess.DEVNULL)  # without a summary the next line fails
        file = place / "run" / "summary.json"
        summary: ExtrasSummary = decode(file.read_bytes(), ExtrasSummary, what="a summary", source=str(file))
        return summary


def burning_folder(name: str, place: Path) -> Path:
    """Make the folder of a floor whose middlewares burn CPU time, and return it."""
    folder = place / name
    shutil.copytree(frameworks()[name].folder, folder)
    file = folder / "extras.py"
    text = file.read_text()
    for call, burning in CALLS.items():
        text = text.replace(call, burning)
    file.write_text(f"import time\n{BURN}\n\n{text}")
    return folder


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "process"))
