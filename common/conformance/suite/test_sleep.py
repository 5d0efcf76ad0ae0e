"""``GET /sleep/{delay}``: what it says, how long it takes, what it refuses."""

import time
from collections.abc import Callable

import httpx
import pytest

from common.conformance.wire import Wire
from common.contract import MAX_DELAY_MS, slept

TRIES = 3
SLOWEST_S = 1.0
"""How much later than asked an answer may come; generous, for a stack on a quarter of a vCPU."""

DELAYS_SAID = {"0": 0, "5": 5, "42": 42, "00000": 0, "007": 7, "00010": 10, "08": 8}

BAD_DELAYS = {
    "minus": "-1",
    "minus zero": "-0",
    "plus": "+5",
    "encoded plus": "%2B5",
    "exponent": "1e3",
    "fraction": "1.5",
    "whole fraction": "1.0",
    "hexadecimal": "0x10",
    "underscore": "1_0",
    "word": "abc",
    "nan": "nan",
    "true": "true",
    "digits and a word": "5ms",
    "space before": "%205",
    "space after": "5%20",
    "space alone": "%20",
    "newline after": "5%0A",
    "just too long": "60001",
    "five nines": "99999",
    "six digits": "100000",
    "six digits with zeros": "000001",
    "twenty digits": "9" * 20,
    "arabic-indic digits": "%D9%A1%D9%A2",
    "full-width digit": "%EF%BC%95",
    "superscript two": "%C2%B2",
    "letter that is no digit": "%C3%A9",
}

bad_delays = pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in BAD_DELAYS.items()])


@pytest.mark.parametrize(("text", "delay_ms"), DELAYS_SAID.items())
def test_sleep_says_the_delay_as_an_integer(client: httpx.Client, text: str, delay_ms: int) -> None:
    answer = client.get(f"/sleep/{text}")
    assert answer.status_code == 200, f"GET /sleep/{text} gives {answer.status_code}; expected 200"
    assert answer.json() == slept(delay_ms), (
        f"GET /sleep/{text} says {answer.text[:60]!r}; expected {slept(delay_ms)!r}"
    )


def test_sleep_is_json_by_its_content_type(client: httpx.Client) -> None:
    media_type = client.get("/sleep/1").headers.get("content-type", "(absent)").partition(";")[0].strip().casefold()
    assert media_type == "application/json", (
        f"GET /sleep/1 has the content type {media_type}; expected application/json"
    )


@pytest.mark.parametrize("delay_ms", [1, 2, 3, 5, 10, 20, 50])
def test_sleep_is_never_shorter_than_asked(connect: Callable[[], Wire], delay_ms: int) -> None:
    shortest_ms = min(_waited_s(connect(), delay_ms) for _ in range(TRIES)) * 1000
    assert shortest_ms >= delay_ms, f"GET /sleep/{delay_ms} was answered after {shortest_ms:.3f} ms"


@pytest.mark.parametrize("delay_ms", [0, 50])
def test_sleep_is_not_much_longer_than_asked(connect: Callable[[], Wire], delay_ms: int) -> None:
    shortest_s = _shortest(lambda: _waited_s(connect(), delay_ms), enough_s=delay_ms / 1000 + SLOWEST_S)
    assert shortest_s < delay_ms / 1000 + SLOWEST_S, f"GET /sleep/{delay_ms} was answered after {shortest_s:.3f} s"


@bad_delays
def test_bad_delay_is_400(client: httpx.Client, text: str) -> None:
    answer = client.get(f"/sleep/{text}")
    assert answer.status_code == 400, f"GET /sleep/{text} gives {answer.status_code}; expected 400"


@bad_delays
def test_bad_delay_is_explained_in_json(client: httpx.Client, text: str) -> None:
    answer = client.get(f"/sleep/{text}")
    body = answer.json()
    error = body.get("error") if isinstance(body, dict) else None
    expected = f"a JSON object whose member error says what is accepted, up to {MAX_DELAY_MS}"
    assert isinstance(error, str), f"GET /sleep/{text} says {answer.text[:60]!r}; expected {expected}"
    assert str(MAX_DELAY_MS) in error, f"GET /sleep/{text} says {answer.text[:60]!r}; expected {expected}"


@pytest.mark.parametrize("text", ["abc", "2e3", "2000.0", "60001", "002000"])
def test_bad_delay_is_refused_at_once(client: httpx.Client, text: str) -> None:
    def took_s() -> float:
        before_s = time.perf_counter()
        client.get(f"/sleep/{text}")
        return time.perf_counter() - before_s

    shortest_s = _shortest(took_s, enough_s=SLOWEST_S)
    assert shortest_s < SLOWEST_S, f"GET /sleep/{text} was refused after {shortest_s:.3f} s; expected at once"


@pytest.mark.last
def test_the_longest_delay_is_accepted(overlap: bool | None, connect: Callable[[], Wire]) -> None:  # noqa: FBT001
    if not overlap:
        pytest.skip("would keep the only worker busy for a minute")
    wire = connect()
    wire.send(wire.request(f"/sleep/{MAX_DELAY_MS}"))
    assert wire.is_silent(for_s=0.3), f"GET /sleep/{MAX_DELAY_MS} is not slept through"


def _waited_s(wire: Wire, delay_ms: int) -> float:
    """Seconds from just before the request was sent to the first byte of its answer."""
    sent_at_s = wire.send(wire.request(f"/sleep/{delay_ms}", "Connection: close"))
    answer = wire.answer()
    wire.close()
    assert answer.status == 200, f"GET /sleep/{delay_ms} gives {answer.status}; expected 200"
    return answer.first_byte_at_s - sent_at_s


def _shortest(took_s: Callable[[], float], *, enough_s: float) -> float:
    """The shortest of a few tries, so that a busy machine is not taken for a slow stack."""
    shortest_s = took_s()
    for _ in range(TRIES - 1):
        if shortest_s >= enough_s:
            shortest_s = min(shortest_s, took_s())
    return shortest_s
