"""Names as users type them, matched to names as they are."""

import difflib
from collections.abc import Iterable, Sequence

from common.errors import UsageError


def canonical(name: str) -> str:
    """One spelling whatever case, ``-`` or ``_`` was typed."""
    return name.strip().casefold().replace("-", "_")


def select(text: str, known: Iterable[str], *, variable: str) -> tuple[str, ...]:
    """Those of ``known`` that a comma-separated ``text`` names, in the order of ``known``; ``all`` is all.

    Raises ``UsageError`` that names the value seen, what exists and the nearest match.
    """
    names = tuple(known)
    if canonical(text) == "all":
        return names
    wanted = {one_of(part, names, variable=variable, more=("all",)) for part in text.split(",")}
    return tuple(name for name in names if name in wanted)


def one_of(text: str, known: Iterable[str], *, variable: str, more: Sequence[str] = ()) -> str:
    """The one of ``known`` that ``text`` names; ``more`` is what else the error says is accepted."""
    by_canonical = {canonical(name): name for name in known}
    if (found := by_canonical.get(canonical(text))) is not None:
        return found
    near = difflib.get_close_matches(canonical(text), by_canonical, n=1)
    hint = f" Did you mean {by_canonical[near[0]]}?" if near else ""
    accepted = ", ".join((*by_canonical.values(), *more))
    raise UsageError(f"{variable}={text.strip() or '(empty)'} is unknown.{hint} Accepted: {accepted}.")
