"""The versions that a candidate really runs, read back from its environment or image rather than from a lock."""

import json
from collections.abc import Mapping
from importlib.metadata import distributions

from packaging.utils import canonicalize_name

from common.engine.client import engine
from common.engine.labels import VERSIONS
from common.packages.environments import environment
from common.packages.interpreters import version_of
from common.runtimes.candidates import Candidate


def packages(candidate: Candidate) -> Mapping[str, str]:
    """Return the version of every package installed for ``candidate``, by canonical name; none on Fargate."""
    if candidate.fargate is not None:
        return {}  # the image is in the registry and need not be in this machine's engine
    if candidate.tag is not None:
        versions: dict[str, str] = json.loads(engine().images.get(candidate.tag).labels.get(VERSIONS, "{}"))
        return versions
    folders = environment(candidate.stack, candidate.interpreter).glob("lib/python*/site-packages")
    installed = distributions(path=[str(folder) for folder in folders])
    return dict(sorted((canonicalize_name(package.metadata["Name"]), package.version) for package in installed))


def python(candidate: Candidate) -> str:
    """Return the version of the Python that runs ``candidate``."""
    if candidate.tag is None:
        return version_of(environment(candidate.stack, candidate.interpreter) / "bin" / "python")
    if candidate.fargate is not None:
        return candidate.python
    variables: list[str] = engine().images.get(candidate.tag).attrs["Config"]["Env"]
    return dict(variable.split("=", 1) for variable in variables).get("PYTHON_VERSION", candidate.python)
