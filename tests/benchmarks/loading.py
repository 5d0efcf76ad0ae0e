"""Load tests of frameworks and of folders made for the purpose, for the comparisons in this package."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from common.project import ROOT
from common.records.schema import decode
from common.records.summary import Pair, Summary

ROUNDS = 5


def load(frameworks: Sequence[str], place: Path, *options: str) -> tuple[Pair, ...]:
    """Load ``/hello`` of frameworks and folders in sliced rounds of the process runtime; return how they compare.

    The run is written to ``place``. What cannot run here is missing in the pairs.
    """
    paths, run = place / "paths.toml", place / "run"
    paths.write_text('[[request]]\npath = "/hello"\n')
    line = [sys.executable, "-m", "loadtests", "loadtest", f"--framework={','.join(frameworks)}", "--runtime=process"]
    line += [f"--paths={paths}", f"--rounds={ROUNDS}", f"--out={run}", *options]
    subprocess.run(line, cwd=ROOT, check=False, stdout=subprocess.DEVNULL)  # without a summary the next line fails
    file = run / "summary.json"
    summary: Summary = decode(file.read_bytes(), Summary, what="a summary", source=str(file))
    return tuple(pair for pair in summary.pairs if "#" not in pair.a + pair.b)
