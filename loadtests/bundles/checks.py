"""The check of a bundle: every digest, every record, and that tables and pages are what its records give.

It shows that a bundle is whole and that its results follow from its records; not that somebody measured them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.errors import FailedError, UsageError
from common.records.bundle import Bundle
from common.records.schema import decode
from common.words import counted
from loadtests.bundles.archive import WAY_OUT, unpack
from loadtests.bundles.contents import LIST, bundle_files, lock_names, sha256
from loadtests.bundles.run_records import RunRecords
from loadtests.campaign.store import MANIFEST, VISITS

SHOWN = 12
"""The number of characters of a digest that a message shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedBundle:
    """A bundle whose digests hold and whose records are valid."""

    named: str
    listed: Bundle
    files: Mapping[str, bytes]
    runs: Sequence[RunRecords]
    """In the order of their ids."""

    @classmethod
    def read(cls, file: Path, *, named: str) -> "CheckedBundle":
        """Return the bundle in a file, which messages call ``named``.

        Raise ``FailedError`` with the name of the file that was altered, and ``UsageError`` if it is not a bundle.
        """
        files = unpack(file, named=named)
        if LIST not in files:
            raise UsageError(f"{named} holds no {LIST}: must be a file that make bundle wrote.")
        listed: Bundle = decode(files[LIST], Bundle, what="bundle", source=f"{LIST} of {named}")
        _require_digests(listed, files, named)
        ids = sorted({name.split("/")[1] for name in files if name.startswith("runs/")})
        if not ids:
            raise UsageError(f"{named} holds no run: must be a file that make bundle wrote.")
        runs = [_run(id_, files, named) for id_ in ids]
        _require_locks(files, runs, named)
        return cls(named=named, listed=listed, files=files, runs=runs)

    @property
    def locks(self) -> dict[str, bytes]:
        """The locks by the names of ``lock_names``."""
        return {name.removeprefix("locks/"): text for name, text in self.files.items() if name.startswith("locks/")}

    def require_rebuilt(self, revision: str | None) -> None:
        """Raise ``FailedError`` unless the code here, at ``revision``, makes every byte again from the records."""
        rebuilt = bundle_files(self.runs, self.locks, written_by=self.listed.written_by)
        names = (*sorted((rebuilt.keys() | self.files.keys()) - {LIST}), LIST)  # which has digests of the others
        name = next((name for name in names if rebuilt.get(name) != self.files.get(name)), None)
        if name is None:
            return
        reason = f"It, or a record that it is computed from, was altered. {WAY_OUT}"
        if not self.is_by(revision):
            reason = (
                f"It was altered, or other code wrote it: revision {self.listed.written_by or 'unknown'} there, "
                f"{revision or 'unknown'} here. To find out which, verify it with that revision."
            )
        raise FailedError(f"{self.named}: {name} does not follow from its records. {reason}")

    def is_by(self, revision: str | None) -> bool:
        """Return whether the code of a known ``revision``, without changes, wrote the tables and pages."""
        return revision is not None and "+" not in revision and self.listed.written_by == revision


def _require_digests(listed: Bundle, files: Mapping[str, bytes], named: str) -> None:
    there = files.keys() - {LIST}
    for name in sorted(there ^ listed.files.keys()):
        what = "is missing" if name in listed.files else f"is not in {LIST}"
        raise FailedError(f"{named}: {name[:100]!a} {what}. {WAY_OUT}")
    for name in sorted(there):
        if (found := sha256(files[name])) != (expected := listed.files[name]):
            raise FailedError(
                f"{named}: {name} was altered: its SHA-256 is {found[:SHOWN]}..., not {expected[:SHOWN]}... {WAY_OUT}"
            )


def _run(id_: str, files: Mapping[str, bytes], named: str) -> RunRecords:
    manifest, visits = f"runs/{id_}/{MANIFEST}", f"runs/{id_}/{VISITS}"
    for file in (manifest, visits):
        if file not in files:
            raise FailedError(f"{named}: {file} is missing. {WAY_OUT}")
    found = RunRecords.of(files[manifest], files[visits], named=f"{named}, runs/{id_}")
    if found.run.id != id_:
        raise FailedError(f"{named}: {manifest} is of run {found.run.id}. {WAY_OUT}")
    return found


def _require_locks(files: Mapping[str, bytes], runs: Sequence[RunRecords], named: str) -> None:
    """Raise ``FailedError`` unless every lock is the one that a run names by its digest."""
    needed = {f"locks/{name}": cell.lock_sha256 for name, cell in lock_names(runs).items()}
    for name in (name for name in files if name.startswith("locks/")):
        if needed.get(name) != sha256(files[name]):
            raise FailedError(f"{named}: {name} is not the lock of any of its {counted(len(runs), 'run')}. {WAY_OUT}")
