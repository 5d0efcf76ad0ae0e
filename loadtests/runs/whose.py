"""Which verb wrote a folder: all that measure write a ``run.json``, and few can be taken further."""

import re
import shlex
from pathlib import Path

import msgspec
from msgspec import Struct

from common.errors import UsageError
from loadtests.analysis.dropping import ROUNDS


class _Head(Struct, frozen=True, kw_only=True):
    """What of any verb's ``run.json`` says whose it is."""

    scenario: str | None = None
    design: str = ROUNDS
    sides: list[str] = []
    command_line: list[str] = []
    run: "_Head | None" = None


def refuse_other(folder: Path, named: str, accepted: str, *, comparisons: bool = False) -> None:
    """``UsageError`` unless a load test wrote ``folder``, or a comparison where those will do too.

    ``named`` is how its user named it (``RUN=...``).
    """
    try:
        head = msgspec.json.decode((folder / "run.json").read_bytes(), type=_Head)
    except (OSError, msgspec.DecodeError) as error:
        raise UsageError(f"{named} cannot be read: {error}. Accepted: {accepted}.") from error
    load_test = head.scenario is not None and head.design == ROUNDS
    comparison = head.design == "duet" or bool(head.sides)
    if not (load_test or (comparisons and comparison)):
        raise UsageError(f"{named} was written by {_verb(head)}. Accepted: {accepted}.")


def _verb(head: _Head) -> str:
    lines = (head.run or head).command_line
    words = shlex.split(lines[0]) if lines else []
    after = words[words.index("loadtests") + 1 :] if "loadtests" in words else []
    return f"make {after[0]}" if after and re.fullmatch(r"[a-z-]+", after[0]) else "another command"
