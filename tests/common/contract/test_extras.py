"""What an ``extras.py`` is told to add."""

import asyncio
import inspect

import pytest

from common.contract.extras import ADDITIONS, CALLED, EMPTY_MIDDLEWARES, SAYS_CALLS, empty, empty_middlewares


async def _pass_on(value: str, _: str) -> str:
    return value


def _pass(value: str) -> str:
    return value


@pytest.mark.parametrize(
    ("text", "expected"), [("", 0), ("other", 0), *EMPTY_MIDDLEWARES.items(), ("a,middleware-3", 3)]
)
def test_the_environment_says_how_many_empty_middlewares_an_app_has(
    text: str, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ADDITIONS, text)
    assert empty_middlewares() == expected


def test_an_empty_middleware_that_is_measured_is_the_function_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SAYS_CALLS, raising=False)
    assert empty(_pass) is _pass
    assert empty(_pass_on) is _pass_on


def test_an_empty_middleware_that_is_checked_prints_each_call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(SAYS_CALLS, "1")
    assert [empty(_pass)("a"), asyncio.run(empty(_pass_on)("b", "c"))] == ["a", "b"]
    assert capsys.readouterr().err == f"{CALLED}\n" * 2
    with pytest.raises(TypeError):
        asyncio.run(empty(_pass_on)())  # type: ignore[call-arg]
    assert inspect.iscoroutinefunction(empty(_pass_on)), "otherwise a server would take the app for one of another kind"
