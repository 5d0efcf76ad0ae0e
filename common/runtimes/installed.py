"""What a candidate really runs: versions read back from its environment or its image, not from a lock."""

import json
import subprocess
from collections.abc import Mapping
from importlib.metadata import distributions
from pathlib import Path

from packaging.utils import canonicalize_name

from common.engine.client import engine
from common.engine.labels import VERSIONS
from common.packages.environments import environment
from common.runtimes.candidates import Candidate


def packages(candidate: Candidate) -> Mapping[str, str]:
    """The version of every package that is installed for ``candidate``, by its canonical name."""
    if candidate.fargate is not None:
        return {}  # a registry's image, which need not be here
    if candidate.tag is not None:
        found: dict[str, str] = json.loads(engine().images.get(candidate.tag).labels.get(VERSIONS, "{}"))
        return found
    folders = environment(candidate.stack, candidate.interpreter).glob("lib/python*/site-packages")
    every = distributions(path=[str(folder) for folder in folders])
    return dict(sorted((canonicalize_name(one.metadata["Name"]), one.version) for one in every))


def python(candidate: Candidate) -> str:
    """The version of the Python that runs ``candidate``."""
    if candidate.tag is None:
        return _ask(environment(candidate.stack, candidate.interpreter) / "bin" / "python")
    if candidate.fargate is not None:
        return candidate.python
    variables: list[str] = engine().images.get(candidate.tag).attrs["Config"]["Env"]
    return dict(one.split("=", 1) for one in variables).get("PYTHON_VERSION", candidate.python)


def _ask(interpreter: Path) -> str:
    line = [str(interpreter), "-c", "import platform; print(platform.python_version())"]
    return subprocess.run(line, capture_output=True, text=True, check=True).stdout.strip()
