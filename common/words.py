"""The words of variables and messages: names matched to those that exist, numbers in digits, counts with their nouns.

``int`` and ``float`` also read ``1_0``, ``nan`` and the digits of every script, which are mistakes here.
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence

from common.errors import UsageError

NO_GROUPS: Mapping[str, Iterable[str]] = {}
_WHOLE = re.compile(r"-?[0-9]{1,18}")
_DECIMAL = re.compile(r"-?([0-9]{1,18}(\.[0-9]{1,18})?|\.[0-9]{1,18})")


def canonical(name: str) -> str:
    """Return a name in the one spelling that is compared: lower case, with ``_`` for ``-``."""
    return name.strip().casefold().replace("-", "_")


def without_version(name: str) -> str:
    """Return a name without the version that may follow it: ``granian`` for ``granian@2.5``."""
    return name.partition("@")[0]


def select(
    text: str, known: Iterable[str], *, variable: str, groups: Mapping[str, Iterable[str]] = NO_GROUPS
) -> tuple[str, ...]:
    """Return those of ``known`` that the comma-separated ``text`` names, in the order of ``known``.

    A word may also be one of ``groups``, or ``all`` for every name. Raises ``UsageError`` with the value given, the
    nearest match and all that is accepted.
    """
    names = tuple(known)
    by_group = {"all": names, **groups}
    selected = set[str]()
    for part in text.split(","):
        if (group := by_group.get(canonical(part))) is not None:
            selected.update(group)
        else:
            selected.add(one_of(part, names, variable=variable, more=tuple(by_group)))
    return tuple(name for name in names if name in selected)


def one_of(text: str, known: Iterable[str], *, variable: str, more: Sequence[str] = ()) -> str:
    """Return the one of ``known`` that ``text`` names, or raise ``UsageError``.

    ``more`` are values that the caller accepts besides, for the error message.
    """
    by_canonical = {canonical(name): name for name in known}
    if (name := by_canonical.get(canonical(text))) is not None:
        return name
    accepted = ", ".join((*by_canonical.values(), *more))
    hint = nearest_hint(text, by_canonical.values())
    raise UsageError(f"{variable}={text.strip() or '(empty)'} is unknown.{hint} Accepted: {accepted}.")


def nearest_hint(text: str, known: Iterable[str]) -> str:
    """Return `` Did you mean NAME?`` with the one of ``known`` that ``text`` resembles; empty if none does."""
    by_canonical = {canonical(name): name for name in known}
    nearest = difflib.get_close_matches(canonical(text), by_canonical, n=1)
    return f" Did you mean {by_canonical[nearest[0]]}?" if nearest else ""


def parse_whole(text: str) -> int:
    """Return the whole number that ``text`` writes in ASCII digits; ``ValueError`` for anything else."""
    if _WHOLE.fullmatch(text) is None:
        raise ValueError(f"must be a whole number in digits, such as 16, not {text or '(empty)'}")
    return int(text)


def parse_decimal(text: str) -> float:
    """Return the number that ``text`` writes in ASCII digits, with or without a point; ``ValueError`` otherwise."""
    if _DECIMAL.fullmatch(text) is None:
        raise ValueError(f"must be a number in digits, such as 0.5, not {text or '(empty)'}")
    return float(text)


def counted(count: int, noun: str) -> str:
    """Return a count with its noun, such as ``1 round`` or ``5 rounds``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def first_names(names: Sequence[str], most: int) -> str:
    """Return the names joined by commas, or the first ``most`` of them and how many more there are."""
    listed = ", ".join(names[:most])
    return listed if len(names) <= most else f"{listed} and {len(names) - most} more"


def last_lines(output: str, count: int) -> str:
    """Return the last lines of a program's output that are not blank, joined into one."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return " | ".join(lines[-count:])
