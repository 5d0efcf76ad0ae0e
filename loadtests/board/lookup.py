"""The stacks that a user asks about, and the figures of this machine."""

import hashlib
from collections.abc import Sequence

from common.catalog.images import python_series
from common.catalog.runtimes import Runtime
from common.host.machine import machine
from common.records.figure import Figure, Subject
from common.runtimes.candidates import Candidate
from loadtests.board.index import FigureIndex
from loadtests.summaries.figures import machine_digest


def known_figures(index: FigureIndex) -> list[Figure]:
    """Return the newest valid figures of this machine."""
    return index.all_newest(machine=machine_digest(machine()))


def subjects_of(candidates: Sequence[Candidate], figures: Sequence[Figure], *, any_image: bool) -> list[Subject]:
    """Return the stacks of the candidates; with ``any_image``, also in every other image that has figures."""
    asked = [_subject(candidate) for candidate in candidates]
    names = {(subject.framework, subject.server) for subject in asked}
    known = [figure.subject for figure in figures if (figure.subject.framework, figure.subject.server) in names]
    return list(dict.fromkeys([*asked, *known] if any_image else asked))


def locks_of(candidates: Sequence[Candidate]) -> dict[str, str]:
    """Return the digests of the candidates' present locks, by framework."""
    return {
        one.stack.framework.name: hashlib.sha256(one.stack.framework.lock.read_bytes()).hexdigest()
        for one in candidates
    }


def _subject(candidate: Candidate) -> Subject:
    return Subject(
        framework=candidate.stack.framework.name,
        server=candidate.stack.server.name,
        image=None if candidate.image is None else candidate.image.name,
        runtime=Runtime.PROCESS if candidate.image is None else Runtime.DOCKER,
        python=python_series(candidate.python_version),
    )
