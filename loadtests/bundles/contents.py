"""The files of a bundle: the records of runs, the locks of their frameworks, and what follows from both.

Tables and pages are computed in one way from the records alone. So whoever holds a bundle can compute them again, and
compare every byte.
"""

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from common.catalog.frameworks import LOCK, frameworks
from common.catalog.prices import load_prices
from common.console import PLAIN_WIDTH, Terminal
from common.host.machine import file_at
from common.packages.variants import VARIANTS
from common.records.bundle import Bundle
from common.records.run import Cell
from common.tables import Form, harmless
from loadtests.bundles.archive import NAME
from loadtests.bundles.run_records import RunRecords
from loadtests.campaign.loop import present
from loadtests.campaign.store import misfits_named, record_text
from loadtests.page.model import make_page
from loadtests.page.sources import Source, Sources
from loadtests.page.writing import report

LIST, TABLE, PAGE = "bundle.json", "table.md", "report.html"


def bundle_files(runs: Sequence[RunRecords], locks: Mapping[str, bytes], *, written_by: str | None) -> dict[str, bytes]:
    """Return the files of the bundle of some runs by their names; ``locks`` are by the names of ``lock_names``."""
    files = {f"locks/{name}": text for name, text in locks.items()}
    for records in runs:
        with misfits_named(Path(records.named)):
            made = dict(_results(records))
        files |= {f"runs/{records.run.id}/{name}": text for name, text in (records.files | made).items()}
    listed = Bundle(written_by=written_by, files={name: sha256(files[name]) for name in sorted(files)})
    return files | {LIST: record_text(listed)}


def _results(records: RunRecords) -> Iterator[tuple[str, bytes]]:
    """Yield the files that follow from a run's records; the page holds no data, which would repeat the records."""
    source = Source.of(records.run, records.visits)
    yield TABLE, _table(records, source)
    if records.experiment.is_reported:
        yield PAGE, report(make_page(Sources(runs=[source]), load_prices()), with_data=False).encode()


def _table(records: RunRecords, source: Source) -> bytes:
    """Return the tables and notes of a run as Markdown."""
    text = io.StringIO()
    console = Console(file=text, width=PLAIN_WIDTH, markup=False, emoji=False, highlight=False, color_system=None)
    present(records.experiment, source.summary, Terminal(results=console, messages=console, form=Form.MARKDOWN))
    return harmless(text.getvalue()).encode()


def lock_names(runs: Sequence[RunRecords]) -> dict[str, Cell]:
    """Return the names that the locks of the runs' frameworks have in a bundle, each with a cell that needs it."""
    cells = [cell for records in runs for cell in records.experiment.stacks() if cell.lock_sha256 and not cell.guest]
    named = {f"{cell.framework}-{cell.lock_sha256[:16]}.lock": cell for cell in cells}
    return {name: cell for name, cell in named.items() if NAME.fullmatch(name) and "/" not in name}


def find_locks(runs: Sequence[RunRecords]) -> dict[str, bytes]:
    """Return the locks by those names, as far as this checkout has them, now or at the commit of a run."""
    revisions = sorted({records.run.revision for records in runs if records.run.revision is not None})
    found = {
        name: next((text for text in _locks(cell, revisions) if sha256(text) == cell.lock_sha256), None)
        for name, cell in lock_names(runs).items()
    }
    return {name: text for name, text in found.items() if text is not None}


def _locks(cell: Cell, revisions: Sequence[str]) -> Iterator[bytes]:
    """Yield the locks of a cell's framework: the present one, those of its other versions, and earlier ones."""
    framework = frameworks().get(cell.framework)
    files = [] if framework is None else [framework.lock]
    yield from (file.read_bytes() for file in (*files, *VARIANTS.glob(f"*/{LOCK}")) if file.is_file())
    earlier = (file_at(revision, file) for file in files for revision in revisions)
    yield from (text for text in earlier if text is not None)


def sha256(content: bytes) -> str:
    """Return a file's SHA-256 digest."""
    return hashlib.sha256(content).hexdigest()
