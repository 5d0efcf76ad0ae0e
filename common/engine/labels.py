"""What an image says of itself: OCI's standard labels, and ours for what is in it."""

import json
from collections.abc import Mapping

from packaging.requirements import Requirement

from common.catalog.stacks import Stack
from common.engine.client import engine
from common.host.machine import revision
from common.packages.locks import stack_requirements
from common.project import PROJECT

FRAMEWORK = f"{PROJECT}.framework"
SERVER = f"{PROJECT}.server"
PYTHON = f"{PROJECT}.python"
BASE = "org.opencontainers.image.base.name"
BASE_DIGEST = "org.opencontainers.image.base.digest"
VERSIONS = f"{PROJECT}.versions"


def image_labels(stack: Stack, base: str, python: str) -> dict[str, str]:
    """The labels of a stack built on ``base``; what is unknown (the revision outside a repository) has none.

    There is no time among them: it would make another image of the same bytes.
    """
    found = {
        "org.opencontainers.image.title": stack.name,
        "org.opencontainers.image.version": stack.framework.version,
        "org.opencontainers.image.revision": revision(40),
        BASE: base,
        BASE_DIGEST: digest_of(base),
        FRAMEWORK: stack.framework.name,
        SERVER: stack.server.name,
        PYTHON: _full_version(base) or python,
        VERSIONS: json.dumps(pinned_versions(stack_requirements(stack), python), sort_keys=True),
    }
    return {name: value for name, value in found.items() if value}


def digest_of(reference: str) -> str:
    """The digest of an image: its registry's where it came from one, else the engine's own, as of a stand-in."""
    image = engine().images.get(reference)
    repository = reference.partition("@")[0].rpartition(":")[0] or reference
    digests: list[str] = image.attrs.get("RepoDigests") or []
    own = [one for one in digests if one.startswith(f"{repository}@")] or digests
    return own[0].partition("@")[2] if own else str(image.id)


def pinned_versions(lock: str, python: str) -> Mapping[str, str]:
    """The version of every package of a lock that is installed with this Python on Linux."""
    environment = {"python_version": ".".join(python.split(".")[:2]), "python_full_version": python}
    lines = (line.rstrip("\\ ") for line in lock.splitlines() if line[:1].isalnum())
    found = [Requirement(line) for line in lines]
    return {
        one.name: str(one.specifier).removeprefix("==")
        for one in found
        if one.marker is None or one.marker.evaluate(environment)
    }


def _full_version(base: str) -> str | None:
    """The Python version that the base image states, as official ones do."""
    environment = engine().images.get(base).attrs["Config"]["Env"] or []
    return dict(line.partition("=")[::2] for line in environment).get("PYTHON_VERSION")
