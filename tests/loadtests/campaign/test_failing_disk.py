"""Wherever a record's writing fails, the run ends in one line, and what was written before is whole and goes on."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from common.errors import BenchmarkError
from common.host import folders
from loadtests.campaign import store
from loadtests.campaign.loop import carry_out
from loadtests.campaign.store import DAMAGED, VISITS, RunFolder
from tests.support.records import cell, run
from tests.support.toy_experiment import Toy, ToySummary, printed, text_terminal, written_summary

ERRORS = (errno.ENOSPC, errno.EIO, errno.EMFILE, errno.ENOMEM)
CALLS = frozenset({"open", "write", "fsync", "replace", "truncate", "ftruncate", "close"})
MADE = run([cell("a"), cell("b")], rounds=2)
VISITS_IN_ALL = 4


class FailingSystem:
    """The functions of ``os``, of whose calls one fails, or all from one on."""

    def __init__(self, at: int, number: int, *, stays: bool) -> None:
        self.at, self.number, self.stays = at, number, stays
        self.calls = 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 -- whatever os holds
        real = getattr(os, name)
        if name not in CALLS:
            return real

        def called(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
            self.calls += 1
            fails = self.calls == self.at or (self.stays and self.calls > self.at)
            if fails and name == "write":  # a full disk takes a part first
                real(arguments[0], arguments[1][: len(arguments[1]) // 2])
            if fails and name == "close":  # which frees the descriptor whatever it says
                real(*arguments)
            if fails:
                raise OSError(self.number, os.strerror(self.number))
            return real(*arguments, **named)

        return called


def _replace_os(patch: pytest.MonkeyPatch, system: FailingSystem) -> None:
    for module in (folders, store):
        patch.setattr(module, "os", system)


def _calls(folder: Path) -> int:
    """Return how many calls a whole run makes."""
    with pytest.MonkeyPatch.context() as patch:
        system = FailingSystem(0, 0, stays=False)
        _replace_os(patch, system)
        carry_out(Toy(MADE), {}, RunFolder.create(folder, MADE), text_terminal())
    return system.calls


def _seen(folder: Path, system: FailingSystem) -> tuple[BenchmarkError | None, int]:
    """Make a run on a failing system; return how it ended and how many visits it said it had made."""
    terminal, ended = text_terminal(), None
    with pytest.MonkeyPatch.context() as patch:
        _replace_os(patch, system)
        try:
            carry_out(Toy(MADE), {}, RunFolder.create(folder, MADE), terminal)
        except BenchmarkError as error:
            ended = error
    return ended, printed(terminal.messages).count(": saw ")


def _failures(folder: Path) -> Iterator[FailingSystem]:
    for number in ERRORS:
        for stays in (False, True):
            for at in range(1, _calls(folder / "whole" / f"{number}-{stays}") + 1):
                yield FailingSystem(at, number, stays=stays)


def test_whichever_call_fails_it_is_one_line_and_nothing_is_lost(tmp_path: Path) -> None:
    tried = 0
    for tried, system in enumerate(_failures(tmp_path), start=1):
        folder = RunFolder(folder=tmp_path / str(tried))
        ended, said = _seen(folder.folder, system)
        assert ended is not None, f"call {system.at} was ignored"
        assert "cannot be written: " in str(ended)
        assert "\n" not in str(ended)
        if not (folder.folder / "run.json").exists():  # it had not begun
            assert said == 0
            continue
        kept = folder.visits()
        assert said <= len(kept) <= said + 1
        folder.set_aside_damage()
        assert folder.visits() == kept
        assert carry_out(Toy(MADE), {}, folder, text_terminal()) == ToySummary(visits=VISITS_IN_ALL)
        assert written_summary(folder) == ToySummary(visits=VISITS_IN_ALL)
        assert [replace(one, took_s=None) for one in folder.visits()[: len(kept)]] == [
            replace(one, took_s=None) for one in kept
        ]
        assert {one.name for one in folder.folder.iterdir()} - {DAMAGED} == {"run.json", "summary.json", VISITS}
    assert tried > 100
