"""Images built of stacks: every combination, past failures, with what each weighs and took."""

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from docker.errors import APIError, ImageNotFound

from common.catalog.images import DEFAULT_PYTHON, Image, image_tag
from common.catalog.stacks import Stack
from common.engine.build_context import write_context
from common.engine.client import build_client, build_environment, engine
from common.engine.labels import image_labels
from common.errors import FailedError, UsageError
from common.packages.build_secrets import proxy_arguments, secret_arguments
from common.project import ROOT

LOGS = ROOT / ".cache" / "build"
TAIL_LINES = 8

Report = Callable[[str], None]


class BuildState(StrEnum):
    """How a build ended."""

    BUILT = "built"
    FAILED = "failed"
    UNAVAILABLE = "not available"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOutcome:
    """One combination and what became of it."""

    tag: str
    state: BuildState
    duration_s: float | None = None
    size_bytes: int | None = None
    """The sum of its layers, uncompressed, its base's included; ``None`` where nothing was built."""
    reason: str = ""
    """Why there is no image: the framework's own word, or the end of the build's log."""

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
    unavailable: str | None


def build_images(
    stacks: Sequence[Stack],
    images: Sequence[Image],
    python: str = DEFAULT_PYTHON,
    *,
    jobs: int = 2,
    report: Report = print,
) -> tuple[BuildOutcome, ...]:
    """What became of every stack on every image, ``jobs`` at a time; each is told to ``report`` as it ends.

    Raises ``UsageError`` before anything is built where engine, client or a base is missing, and ``FailedError`` that
    lists the failed ones after all have ended.
    """
    wanted = _jobs(stacks, images, python)
    client = build_client()
    for base in dict.fromkeys(job.base for job in wanted if job.unavailable is None):
        _require(base)
    outcomes = []
    for outcome in _run_all(wanted, client, jobs=jobs):
        report(str(outcome))
        outcomes.append(outcome)
    if failed := sorted(outcome.tag for outcome in outcomes if outcome.state is BuildState.FAILED):
        raise FailedError(f"{len(failed)} of {len(outcomes)} images were not built: {', '.join(failed)}")
    return tuple(outcomes)


def image_size_bytes(reference: str) -> int:
    """The sum of an image's layers, uncompressed: the engine's own total means different things in different stores."""
    return sum(layer["Size"] for layer in engine().images.get(reference).history())


def log_file(built: str) -> Path:
    """Where the progress of the latest build of a tag is kept."""
    return LOGS / f"{built.rpartition('/')[2].replace(':', '-')}.log"


def _jobs(stacks: Sequence[Stack], images: Sequence[Image], python: str) -> list[_Job]:
    if (base := os.environ.get("BASE")) and len(images) > 1:
        raise UsageError(f"BASE={base} is one base for {len(images)} images. Accepted with it: one IMAGE=.")
    return [
        _Job(
            stack=stack,
            base=image.base(python),
            python=python,
            tag=image_tag(stack, image, python),
            unavailable=stack.unavailable("docker", image.name),
        )
        for stack in stacks
        for image in images
    ]


def _require(base: str) -> None:
    try:
        engine().images.get(base)
    except APIError:
        _pull(base)


def _pull(base: str) -> None:
    try:
        engine().images.pull(base)
    except (APIError, OSError) as error:
        raise UsageError(
            f"the base image {base} is not here and cannot be pulled. Run `make bases` for a stand-in, "
            "or name another registry with BASE_REGISTRY=."
        ) from error


def _run_all(wanted: Sequence[_Job], client: str, *, jobs: int) -> Iterator[BuildOutcome]:
    pool = ThreadPoolExecutor(max_workers=jobs)
    try:
        for future in as_completed([pool.submit(_outcome, job, client) for job in wanted]):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _outcome(job: _Job, client: str) -> BuildOutcome:
    if job.unavailable is not None:
        return BuildOutcome(tag=job.tag, state=BuildState.UNAVAILABLE, reason=job.unavailable)
    log = log_file(job.tag)
    log.parent.mkdir(parents=True, exist_ok=True)
    before = _image(job.tag)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="build-") as folder:
        done = _build(job, client, Path(folder), log)
    duration_s = time.perf_counter() - started
    if not done:
        return BuildOutcome(tag=job.tag, state=BuildState.FAILED, duration_s=duration_s, reason=_tail(log))
    _remove_superseded(before)
    return BuildOutcome(
        tag=job.tag, state=BuildState.BUILT, duration_s=duration_s, size_bytes=image_size_bytes(job.tag)
    )


def _build(job: _Job, client: str, folder: Path, log: Path) -> bool:
    context = folder / "context"
    write_context(job.stack, context)
    line = [client, "build", "--progress=plain", f"--tag={job.tag}", f"--build-arg=BASE={job.base}"]
    line += [f"--label={name}={value}" for name, value in image_labels(job.stack, job.base, job.python).items()]
    line += [*proxy_arguments(), *secret_arguments(folder), str(context)]
    with log.open("wb") as out:
        done = subprocess.run(
            line, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=build_environment(), check=False
        )
    return done.returncode == 0


def _image(reference: str) -> str | None:
    try:
        return engine().images.get(reference).id
    except ImageNotFound:
        return None


def _remove_superseded(image: str | None) -> None:
    """Remove what a tag named until now, unless it still has a name, or a container that the engine keeps it for."""
    with suppress(APIError):
        if image is not None and not engine().images.get(image).tags:
            engine().images.remove(image)


def _tail(log: Path) -> str:
    """The end of a log, without the builder's repetition of the command that failed."""
    text = re.split(r"^#\d+ ERROR: ", log.read_text(errors="replace"), maxsplit=1, flags=re.MULTILINE)[0]
    lines = text.splitlines()[-TAIL_LINES:]
    return "\n".join([f"the end of {log.relative_to(ROOT)}:", *(f"    {line}" for line in lines)])
