"""Failures while a server is loaded or stopped are recorded in its windows."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from common.errors import FailedError
from common.records.load import Setup
from common.records.window import Load, Window
from common.runtimes.running_server import RunningServer
from loadtests.experiments.loadtest import visit as fresh_servers
from loadtests.experiments.loadtest.visit import measure_windows
from loadtests.windows.tools import GeneratorError
from tests.support.records import load, setup, window

ASKED = [(window("a+b", number, None), setup()) for number in (1, 2, 3)]
GOOD = load(4000)


def _candidate(*, stops_badly: bool = False, exit_reason: str | None = None) -> Any:  # noqa: ANN401 -- a candidate's part
    """Return what serves a server that exits for a reason, or that cannot be stopped."""

    @contextmanager
    def serve(*_: object, **__: object) -> Iterator[RunningServer]:
        yield RunningServer(url="http://nowhere", client_prefix=(), cpu_meter=None, exit_reason=lambda: exit_reason)
        if stops_badly:
            raise FailedError("it does not stop")

    return SimpleNamespace(serve=serve)


def _seen(windows: list[Window]) -> list[tuple[bool, str | None]]:
    return [(one.load is not None, one.error) for one in windows]


def test_a_server_that_cannot_be_stopped_fails_its_last_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fresh_servers, "measure", lambda *_, **__: GOOD)
    made = measure_windows(ASKED, _candidate(stops_badly=True), seed=0)
    assert _seen(made) == [(True, None), (True, None), (False, "it does not stop")]


def test_a_server_that_dies_fails_the_window_and_those_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    loads = iter([GOOD])

    def measure(*_: object, **__: object) -> object:
        try:
            return next(loads)
        except StopIteration:
            raise GeneratorError("no answer") from None

    monkeypatch.setattr(fresh_servers, "measure", measure)
    made = measure_windows(ASKED, _candidate(exit_reason="exit status 3"), seed=0)
    assert [one.error for one in made] == ["exit status 3"] * 3
    assert [one.load is not None for one in made] == [True, False, False]
    assert all(one.load_average is not None for one in made)


def test_only_the_first_window_on_a_server_waits_until_it_is_warm(monkeypatch: pytest.MonkeyPatch) -> None:
    waited = list[float]()

    def measure(_: RunningServer, asked: Setup, **__: object) -> Load:
        waited.append(asked.load.most_warmup_s)
        return GOOD

    monkeypatch.setattr(fresh_servers, "measure", measure)
    measure_windows([(blank, setup(most_warmup_s=41.0)) for blank, _ in ASKED], _candidate(), seed=0)
    assert waited == [41.0, 0.0, 0.0]


def test_a_generator_that_fails_on_a_healthy_server_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(*_: object, **__: object) -> object:
        raise GeneratorError("no answer")

    monkeypatch.setattr(fresh_servers, "measure", measure)
    with pytest.raises(GeneratorError, match="no answer"):
        measure_windows(ASKED, _candidate(), seed=0)
