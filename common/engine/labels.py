"""The labels of our images: the standard ones of OCI, and our own for what is in an image."""

import json
from collections.abc import Mapping

from packaging.requirements import Requirement

from common.catalog.images import python_series
from common.catalog.stacks import Stack
from common.engine.build_context import sources
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
    """Return the labels of a stack built on ``base``, without those whose value is unknown.

    None of them holds what is not in the image, such as a time, which would make two images of the same content differ.
    """
    labels = {
        "org.opencontainers.image.title": stack.name,
        "org.opencontainers.image.version": stack.framework.version,
        "org.opencontainers.image.revision": revision(*sources(stack), digits=40),
        BASE: base,
        BASE_DIGEST: digest_of(base),
        FRAMEWORK: stack.framework.name,
        SERVER: stack.server.name,
        PYTHON: _python_version(base) or python,
        VERSIONS: json.dumps(pinned_versions(stack_requirements(stack), python), sort_keys=True),
    }
    return {name: value for name, value in labels.items() if value}


def digest_of(reference: str) -> str:
    """Return an image's digest in the registry it came from, or the engine's own id for one made here."""
    image = engine().images.get(reference)
    repository = reference.partition("@")[0].rpartition(":")[0] or reference
    digests: list[str] = image.attrs.get("RepoDigests") or []
    preferred = [digest for digest in digests if digest.startswith(f"{repository}@")] or digests
    return preferred[0].partition("@")[2] if preferred else str(image.id)


def pinned_versions(lock: str, python: str) -> Mapping[str, str]:
    """Return the version of each package in a lock that is installed with this Python on Linux."""
    environment = {"python_version": python_series(python), "python_full_version": python}
    lines = (line.rstrip("\\ ") for line in lock.splitlines() if line[:1].isalnum())
    return {
        pin.name: str(pin.specifier).removeprefix("==")
        for pin in map(Requirement, lines)
        if pin.marker is None or pin.marker.evaluate(environment)
    }


def _python_version(base: str) -> str | None:
    """Return the Python version that the base image states in its environment, as official images do."""
    environment = engine().images.get(base).attrs["Config"]["Env"] or []
    return dict(line.partition("=")[::2] for line in environment).get("PYTHON_VERSION")
