"""Tests of ``GET /sleep/{delay}``: its body, its duration, and the delays that it refuses."""

import json
import time
from collections.abc import Callable

import httpx
import pytest

from common.conformance.overlap import Overlap
from common.conformance.wire import Wire
from common.contract import MAX_DELAY_MS, slept

TRIES = 3
SLOWEST_S = 1.0
"""The delay beyond the requested one that a response may have; generous, for a stack on a quarter of a vCPU."""

LONG_DELAY_MS = 1100
"""Over a second: it meets caps, sub-second timers that wrap around, and thousands separators in the response."""

GOOD_DELAYS = {"0": 0, "5": 5, "42": 42, "00000": 0, "007": 7, "00010": 10, "08": 8}

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
    "infinity": "inf",
    "true": "true",
    "digits and a word": "5ms",
    "space before": "%205",
    "space after": "5%20",
    "space alone": "%20",
    "newline after": "5%0A",
    "null byte after": "5%00",
    "path parameter": "5;x",
    "digit encoded twice": "%2531",
    "just over the maximum": "60001",
    "five nines": "99999",
    "six digits": "100000",
    "six digits with zeros": "000001",
    "twenty digits": "9" * 20,
    "400 digits": "9" * 400,  # more than a float holds, so that dividing the number raises OverflowError in Python
    "arabic-indic digits": "%D9%A1%D9%A2",
    "full-width digit": "%EF%BC%95",
    "superscript two": "%C2%B2",
    "non-ASCII letter": "%C3%A9",
}

bad_delays = pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in BAD_DELAYS.items()])


@pytest.mark.parametrize(("text", "delay_ms"), GOOD_DELAYS.items())
def test_sleep_states_the_delay_as_an_integer(client: httpx.Client, text: str, delay_ms: int) -> None:
    response = client.get(f"/sleep/{text}")
    assert response.status_code == 200, f"GET /sleep/{text} returns {response.status_code}; expected 200"
    assert response.json() == slept(delay_ms), (
        f"GET /sleep/{text} returns {response.text[:60]!r}; expected {slept(delay_ms)!r}"
    )


def test_sleep_has_content_type_json(client: httpx.Client) -> None:
    media_type = client.get("/sleep/1").headers.get("content-type", "(absent)").partition(";")[0].strip().casefold()
    assert media_type == "application/json", (
        f"GET /sleep/1 has the content type {media_type}; expected application/json"
    )


@pytest.mark.parametrize("delay_ms", [1, 2, 3, 5, 10, 20, 50])
def test_sleep_is_never_shorter_than_requested(connect: Callable[[], Wire], delay_ms: int) -> None:
    shortest_ms = min(_waited_s(connect(), delay_ms) for _ in range(TRIES)) * 1000
    assert shortest_ms >= delay_ms, f"GET /sleep/{delay_ms} was answered after {shortest_ms:.3f} ms"


@pytest.mark.parametrize("delay_ms", [0, 50])
def test_sleep_is_not_much_longer_than_requested(connect: Callable[[], Wire], delay_ms: int) -> None:
    shortest_s = _shortest(lambda: _waited_s(connect(), delay_ms), enough_s=delay_ms / 1000 + SLOWEST_S)
    assert shortest_s < delay_ms / 1000 + SLOWEST_S, f"GET /sleep/{delay_ms} was answered after {shortest_s:.3f} s"


def test_sleep_of_over_a_second_lasts_as_long_as_it_states(connect: Callable[[], Wire]) -> None:
    wire = connect()
    sent_at_s = wire.send(wire.request(f"/sleep/{LONG_DELAY_MS}", "Connection: close"))
    response = wire.response()
    waited_ms = (response.first_byte_at_s - sent_at_s) * 1000
    body = response.body
    assert json.loads(body) == slept(LONG_DELAY_MS), f"GET /sleep/{LONG_DELAY_MS} returns {body[:60]!r}"
    assert waited_ms >= LONG_DELAY_MS, f"GET /sleep/{LONG_DELAY_MS} was answered after {waited_ms:.3f} ms"


@bad_delays
def test_bad_delay_is_400(client: httpx.Client, text: str) -> None:
    response = client.get(f"/sleep/{text}")
    assert response.status_code == 400, f"GET /sleep/{_short(text)} returns {response.status_code}; expected 400"


@bad_delays
def test_bad_delay_is_explained_in_json(client: httpx.Client, text: str) -> None:
    _assert_explained(client.get(f"/sleep/{text}"), text)


def test_delay_of_thousands_of_digits_is_refused(client: httpx.Client) -> None:
    """Python's int() raises an error of its own beyond 4,300 digits.

    HTTP lets a server refuse such a request line before any app sees it, with 414 (Gunicorn: beyond 4,094 bytes).
    """
    text = "9" * 5000
    response = client.get(f"/sleep/{text}")
    assert response.status_code in {400, 414}, (
        f"GET /sleep/{_short(text)} returns {response.status_code}; expected 400, or 414 from the server"
    )
    if response.status_code == 400:
        _assert_explained(response, text)


@pytest.mark.parametrize("text", ["abc", "2e3", "2000.0", "60001", "002000"])
def test_bad_delay_is_refused_at_once(client: httpx.Client, text: str) -> None:
    def duration_s() -> float:
        started_s = time.perf_counter()
        client.get(f"/sleep/{text}")
        return time.perf_counter() - started_s

    shortest_s = _shortest(duration_s, enough_s=SLOWEST_S)
    assert shortest_s < SLOWEST_S, f"GET /sleep/{text} was refused after {shortest_s:.3f} s; expected at once"


@pytest.mark.last
def test_longest_delay_is_accepted(
    overlap: bool | None,  # noqa: FBT001
    measured_overlap: Callable[[], Overlap],
    connect: Callable[[], Wire],
) -> None:
    if not overlap and not measured_overlap().overlaps:
        pytest.skip("sleeps do not overlap, and this one would keep the server busy for a minute")
    wire = connect()
    wire.send(wire.request(f"/sleep/{MAX_DELAY_MS}"))
    assert wire.is_silent(for_s=0.3), f"GET /sleep/{MAX_DELAY_MS} is answered within 0.3 s"


def _assert_explained(response: httpx.Response, text: str) -> None:
    body = response.json()
    error = body.get("error") if isinstance(body, dict) else None
    assert isinstance(error, str) and str(MAX_DELAY_MS) in error, (  # noqa: PT018 -- one condition, one message
        f"GET /sleep/{_short(text)} returns {response.text[:60]!r}; "
        f"expected a JSON object whose member error states what is accepted, up to {MAX_DELAY_MS}"
    )


def _short(text: str) -> str:
    return text if len(text) <= 30 else f"{text[:10]}... ({len(text)} characters)"


def _waited_s(wire: Wire, delay_ms: int) -> float:
    """Return the time from just before the request was sent to the first byte of its response."""
    sent_at_s = wire.send(wire.request(f"/sleep/{delay_ms}", "Connection: close"))
    response = wire.response()
    wire.close()
    assert response.status == 200, f"GET /sleep/{delay_ms} returns {response.status}; expected 200"
    return response.first_byte_at_s - sent_at_s


def _shortest(measure_s: Callable[[], float], *, enough_s: float) -> float:
    """Return the shortest of a few tries, so that a busy machine is not mistaken for a slow stack."""
    shortest_s = measure_s()
    for _ in range(TRIES - 1):
        if shortest_s >= enough_s:
            shortest_s = min(shortest_s, measure_s())
    return shortest_s
