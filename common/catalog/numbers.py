"""Numbers as users write them in variables, and counts as messages state them.

``int`` and ``float`` also read ``1_0``, ``nan`` and the digits of every script, which are mistakes here.
"""

import re

_WHOLE = re.compile(r"-?[0-9]{1,18}")
_DECIMAL = re.compile(r"-?([0-9]{1,18}(\.[0-9]{1,18})?|\.[0-9]{1,18})")


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
