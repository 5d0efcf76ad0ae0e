"""Build images of stacks, and label them with what is in them: every combination, whether or not others fail.

The labels are the standard ones of OCI and our own. A finished build has its image's size and how long it took.
"""

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

from docker.errors import APIError, DockerException
from packaging.requirements import Requirement

from common.catalog.pythons import DEFAULT_PYTHON, Python
from common.catalog.stacks import Image, Stack, image_tag
from common.engine.build_context import sources, write_context
from common.engine.client import build_client, build_environment, engine, find_image, reason_of, variables_of
from common.errors import FailedError, UsageError
from common.host.folders import make_folder, temporary_folder
from common.host.machine import revision
from common.packages.indexes import proxy_arguments, secret_arguments
from common.packages.locks import stack_requirements
from common.packages.wheels import version_of_wheel, wheel_at
from common.parallel import each_finished
from common.project import PROJECT, ROOT
from common.words import last_lines

FRAMEWORK = f"{PROJECT}.framework"
SERVER = f"{PROJECT}.server"
PYTHON = f"{PROJECT}.python"
BASE = "org.opencontainers.image.base.name"
BASE_DIGEST = "org.opencontainers.image.base.digest"
VERSIONS = f"{PROJECT}.versions"
LOGS = ROOT / ".cache" / "build"
TAIL_LINES = 8
_NO_WHEEL = re.compile(r"ERROR: No matching distribution found for (\S+==\S+)")
_UNREACHABLE = re.compile(r"WARNING: Retrying|ERROR: HTTP error")
"""What pip writes about an index that cannot be asked, before it says that nothing was found there."""
MAX_NAME_BYTES = 255
"""The longest file name that Linux file systems accept."""


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
        PYTHON: python_version_in(base) or python,
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
    markers = Python.parse(python).markers
    lines = (line.rstrip("\\ ") for line in lock.splitlines() if line[:1].isalnum())
    return {
        pin.name: str(pin.specifier).removeprefix("==") if pin.url is None else version_of_wheel(wheel_at(pin.url))
        for pin in map(Requirement, lines)
        if pin.marker is None or pin.marker.evaluate(markers)
    }


def python_version_in(reference: str) -> str | None:
    """Return the Python version that an image states in its environment, as official images and ours do."""
    return variables_of(engine().images.get(reference).attrs).get("PYTHON_VERSION")


class BuildState(StrEnum):
    """The result of a build."""

    BUILT = "built"
    FAILED = "failed"
    UNAVAILABLE = "not available"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOutcome:
    """The outcome of one build."""

    tag: str
    state: BuildState
    duration_s: float | None = None
    size_bytes: int | None = None
    """Sum of all layers, uncompressed, including those of its base; ``None`` if nothing was built."""
    reason: str = ""
    """The reason why there is no image: the framework folder's, or the end of the build log."""

    def __str__(self) -> str:
        if self.size_bytes is None:
            return f"{self.tag}  {self.state}: {self.reason}"
        return f"{self.tag}  {self.size_bytes / 1e6:.1f} MB  {self.duration_s:.1f} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    stack: Stack
    base: str
    python: str
    tag: str
    log: Path
    unavailable: str | None


def build_images(
    stacks: Sequence[Stack],
    images: Sequence[Image],
    python: str = DEFAULT_PYTHON,
    *,
    jobs: int = 2,
    report: Callable[[str], None],
    env: Mapping[str, str] = os.environ,
) -> tuple[BuildOutcome, ...]:
    """Build every stack on every image, ``jobs`` at a time, and ``report`` each outcome as it comes.

    ``BASE`` and ``BASE_REGISTRY`` in ``env`` choose other base images.

    Raise ``UsageError`` before anything is built if the engine, a client or a base image is missing, and after all
    builds have ended ``FailedError`` with the names of the failed images and the reason of the first one.
    """
    planned = _plan_jobs(stacks, images, python, env)
    client = build_client()
    for base in dict.fromkeys(job.base for job in planned if job.unavailable is None):
        require_base(base)
    outcomes = []
    for _, outcome in each_finished(partial(_run_job, client=client), planned, at_once=jobs):
        report(str(outcome))
        outcomes.append(outcome)
    if failed := sorted((build for build in outcomes if build.state is BuildState.FAILED), key=lambda build: build.tag):
        raise FailedError(
            f"{len(failed)} of {len(outcomes)} images were not built: {', '.join(build.tag for build in failed)}. "
            f"The logs are in {LOGS.relative_to(ROOT)}; {failed[0].reason}"
        )
    return tuple(outcomes)


def image_size_bytes(reference: str) -> int:
    """Return the sum of an image's layers, uncompressed. The engine's own total depends on its image store."""
    return sum(layer["Size"] for layer in engine().images.get(reference).history())


def log_file(tag: str) -> Path:
    """Return the file with the log of the latest build of ``tag``."""
    name = f"{tag.rpartition('/')[2].replace(':', '-')}.log"
    if len(name.encode()) > MAX_NAME_BYTES:
        raise UsageError(
            f"the image name {tag} is too long for a log file. Give the framework's folder a shorter name."
        )
    return LOGS / name


def _plan_jobs(stacks: Sequence[Stack], images: Sequence[Image], python: str, env: Mapping[str, str]) -> list[_Job]:
    if (base := env.get("BASE")) and len(images) > 1:
        raise UsageError(f"BASE={base} is one base for {len(images)} images. Choose one of them with IMAGE=.")
    return [_plan_job(stack, image, python, env) for stack in stacks for image in images]


def _plan_job(stack: Stack, image: Image, python: str, env: Mapping[str, str]) -> _Job:
    places = ("docker", image.name, *Python.parse(python).places)
    unavailable = stack.unavailable(*places) or image.unavailable(python, env)
    return _Job(
        stack=stack,
        base="" if unavailable else image.base(python, env),
        python=python,
        tag=(tag := image_tag(stack, image, python)),
        log=log_file(tag),
        unavailable=unavailable,
    )


def require_base(base: str) -> None:
    """Pull the base image if it is not here; ``UsageError`` with the engine's reason if that fails."""
    if find_image(base) is not None:
        return
    try:
        engine().images.pull(base)
    except (DockerException, OSError) as error:
        raise UsageError(
            f"the base image {base} is not here and cannot be pulled: {reason_of(error)}. Run `make bases` for a "
            "stand-in, or name another registry with BASE_REGISTRY=."
        ) from error


def _no_wheel(job: _Job) -> str | None:
    """Return which package has no wheel for the job's Python, if the build failed for that.

    Locks are made for the default Python, so a wheel that it lacks is a failure of the index.
    """
    if job.python == DEFAULT_PYTHON:
        return None
    log = job.log.read_text(errors="replace")
    found = None if _UNREACHABLE.search(log) else _NO_WHEEL.search(log)
    return found and f"{found[1].replace('==', ' ')} has no wheel for Python {job.python}"


def _run_job(job: _Job, client: str) -> BuildOutcome:
    if job.unavailable is not None:
        return BuildOutcome(tag=job.tag, state=BuildState.UNAVAILABLE, reason=job.unavailable)
    make_folder(job.log.parent)
    superseded = find_image(job.tag)
    start = time.perf_counter()
    with temporary_folder("build") as folder:
        succeeded = _build(job, client, folder)
    duration_s = time.perf_counter() - start
    if not succeeded and (reason := _no_wheel(job)) is not None:
        return BuildOutcome(tag=job.tag, state=BuildState.UNAVAILABLE, reason=reason)
    if not succeeded:
        return BuildOutcome(tag=job.tag, state=BuildState.FAILED, duration_s=duration_s, reason=log_tail(job.log))
    if superseded is not None:
        _remove_superseded(str(superseded.id))
    return BuildOutcome(
        tag=job.tag, state=BuildState.BUILT, duration_s=duration_s, size_bytes=image_size_bytes(job.tag)
    )


def _build(job: _Job, client: str, folder: Path) -> bool:
    context = folder / "context"
    write_context(job.stack, context)
    labels = image_labels(job.stack, job.base, job.python).items()
    options = (f"--tag={job.tag}", f"--build-arg=BASE={job.base}", *(f"--label={name}={text}" for name, text in labels))
    return run_build(client, options, context, secrets=folder, log=job.log)


def run_build(client: str, options: Iterable[str], context: Path, *, secrets: Path, log: Path) -> bool:
    """Build a context with this site's indexes, certificates and proxies, and return whether that succeeded.

    What is secret is written to the folder ``secrets``, which the caller removes.
    """
    line = [client, "build", "--progress=plain", *options, *proxy_arguments(), *secret_arguments(secrets), str(context)]
    with log.open("wb") as out:
        process = subprocess.run(
            line, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=build_environment(), check=False
        )
    return process.returncode == 0


def _remove_superseded(image_id: str) -> None:
    """Remove the image that had the tag before, unless it has another tag or the engine keeps it for a container."""
    with suppress(APIError):
        if not engine().images.get(image_id).tags:
            engine().images.remove(image_id)


def log_tail(log: Path) -> str:
    """Return the end of a log in one line, without the builder's repetition of the command and pip's general advice."""
    text = log.read_text(errors="replace")
    reason = re.split(r"^#\d+ (?:ERROR: |[\d.]+ +\[end of output\])", text, maxsplit=1, flags=re.MULTILINE)[0]
    return f"the end of {log.relative_to(ROOT)}: {last_lines(reason, TAIL_LINES)}"
