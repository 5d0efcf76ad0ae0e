"""Observations of a server that somebody else started, and the behaviours that were therefore not judged."""

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from common.conformance.running import SuiteOutcome
from common.errors import UsageError

_LABELS = {"overlap": "concurrent sleeps overlap", "keep-alive": "connections are kept open"}
_HINT = "OVERLAP=yes or no, and KEEP_ALIVE=yes or no, declare a behaviour, so that it is judged."
_NOT_OBSERVED = "not observed: the test failed before"


def refuse_declarations(**declarations: str | None) -> None:
    """Raise ``UsageError`` if a behaviour is declared for stacks of this project, whose servers declare their own."""
    for name, value in declarations.items():
        if value is not None:
            raise UsageError(
                f"{name.upper()}={value} needs URL=. Stacks of this project declare their behaviour in "
                "common/catalog/servers.py."
            )


def observation_tables(outcome: SuiteOutcome) -> RenderableType:
    """Return what was observed, every divergence, and the behaviours that were not judged, each with the reason."""
    observed = [(label, outcome.observed.get(name, _NOT_OBSERVED)) for name, label in _LABELS.items()]
    divergences = outcome.divergences.items()
    not_judged = [(behaviour(test), reason) for test, reason in outcome.not_judged.items()]
    tables = (
        _table("observed", ("behaviour", "observed"), observed),
        _table("divergences: the contract leaves these free", ("request or property", "observed"), divergences),
        _table("not judged", ("behaviour", "reason"), not_judged or [("-", "every behaviour was judged")]),
    )
    undeclared = any("=auto" in reason for _, reason in not_judged)
    return Group(*tables, _HINT) if undeclared else Group(*tables)


def behaviour(test: str) -> str:
    """Return the behaviour that a test checks, in words: its name without module and underscores."""
    return test.partition("::test_")[2].replace("_", " ")


def _table(title: str, headings: Iterable[str], rows: Iterable[tuple[str, str]]) -> Table:
    table = Table(title=title, title_justify="left")
    for heading in headings:
        table.add_column(heading)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # what a server sends must not be read as markup
    return table
