"""The runs that are published, each as a page of its own. Figures of different runs are never joined here."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from common.catalog.prices import Prices
from common.errors import UsageError
from common.records.run import LoadRun
from loadtests.board.publication import precedence
from loadtests.campaign.store import RunFolder
from loadtests.page.model import Page, make_page
from loadtests.page.sources import Source, Sources


@dataclass(frozen=True, kw_only=True)
class PublishedRun:
    """A published load test and its page."""

    name: str
    """Name of its folder, as ``hello-docker``."""
    run: LoadRun
    page: Page


def published_runs(published: Path, prices: Prices) -> Sequence[PublishedRun]:
    """Return every published run that can be read; ``UsageError`` if there is none. They come by their precedence."""
    found = []
    for file in sorted(published.glob("*/run.json")):
        with suppress(UsageError):
            found.append(_read(RunFolder(folder=file.parent), prices))
    if not found:
        raise UsageError(f"{published} holds no run. Run: make publish")
    return sorted(found, key=lambda one: precedence(one.name, one.run), reverse=True)


def _read(folder: RunFolder, prices: Prices) -> PublishedRun:
    source = Source.read(folder)
    assert isinstance(source.run, LoadRun)
    return PublishedRun(name=folder.folder.name, run=source.run, page=make_page(Sources(runs=(source,)), prices))
