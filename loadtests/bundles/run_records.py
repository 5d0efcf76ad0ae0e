"""One run as the bytes of its records, which are checked without unpacking or running anything."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import FailedError, UsageError
from common.records.run import Run
from common.records.schema import Visit
from common.words import counted
from loadtests.bundles.archive import MOST_BYTES, NAME
from loadtests.campaign.catalog import decode_run, experiment_of
from loadtests.campaign.experiment import Experiment
from loadtests.campaign.store import MANIFEST, VISITS, misfits_named, planned_cells, visits_of, why_altered

MOST_STACKS = 500
"""The most stacks of a run from elsewhere; each is compared with every other."""
MOST_PLANNED = 100_000
"""The most visits that a run from elsewhere may plan; some plans are written out before anything else is computed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecords:
    """A finished run whose manifest and visits are valid and fit together."""

    named: str
    """The folder that messages name."""
    run: Run
    visits: Sequence[Visit]
    manifest_text: bytes
    visits_text: bytes

    @property
    def experiment(self) -> Experiment[Any, Any]:
        """The run's experiment."""
        return experiment_of(self.run)

    @property
    def files(self) -> dict[str, bytes]:
        """The files by their names in a run's folder."""
        return {MANIFEST: self.manifest_text, VISITS: self.visits_text}

    @classmethod
    def read(cls, folder: Path, *, named: str) -> "RunRecords":
        """Return the run in a folder, as ``of``."""
        return cls.of(_read(folder / MANIFEST, named), _read(folder / VISITS, named), named=named)

    @classmethod
    def of(cls, manifest_text: bytes, visits_text: bytes, *, named: str) -> "RunRecords":
        """Return the run with these records, which messages find in the folder ``named``.

        Raise ``FailedError`` if the manifest is not as it was written, and ``UsageError`` if anything else is wrong.
        """
        run = decode_run(manifest_text, source=f"{named}/{MANIFEST}")
        if run.manifest_sha256 is not None and (why := why_altered(manifest_text, run.manifest_sha256)) is not None:
            raise FailedError(f"{named}/{MANIFEST} {why}.")
        if NAME.fullmatch(run.id) is None or "/" in run.id:
            raise UsageError(
                f"{named}/{MANIFEST} has the id {run.id[:100]!a}: must be letters, digits and any of _.@+-."
            )
        *lines, rest = visits_text.split(b"\n")
        if rest:
            raise UsageError(f"{named}/{VISITS} is cut off in its last line.")
        experiment, folder = experiment_of(run), Path(named)
        with misfits_named(folder):
            _require_bounded(run, named)
            visits = list(visits_of(run, ((folder / VISITS, number, line) for number, line in enumerate(lines, 1))))
            if not experiment.is_complete(visits):
                resume = f"make {experiment.command} RESUME={run.id}"
                raise UsageError(f"{named} was interrupted: must be a finished run. Where it was made, run: {resume}")
        return cls(named=named, run=run, visits=visits, manifest_text=manifest_text, visits_text=visits_text)


def _read(file: Path, named: str) -> bytes:
    """Return the content of a run's file; ``UsageError`` if it is missing or too large."""
    try:
        if not file.is_file():
            raise UsageError(f"{named} has no file {file.name}: must be the folder of a finished run.")
        if file.stat().st_size > MOST_BYTES:
            raise UsageError(f"{file} has more than {MOST_BYTES // 1024**2} MB, which is too much.")
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.") from error


def _require_bounded(run: Run, named: str) -> None:
    """Raise ``UsageError`` if a run has more stacks or visits than can be computed with in a moment."""
    if (count := len(list(experiment_of(run).stacks()))) > MOST_STACKS:
        raise UsageError(f"{named} has {counted(count, 'stack')}: must have at most {MOST_STACKS}.")
    if (planned := run.rounds * len(planned_cells(run) - {""})) > MOST_PLANNED:
        raise UsageError(f"{named} plans {planned:,} visits: must plan at most {MOST_PLANNED:,}.")
