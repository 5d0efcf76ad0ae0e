"""Tests of the bytes of a body: JSON or not, its encoding and content type, its size, and the pieces it comes in."""

import itertools
import json
import time
from collections.abc import Callable, Mapping

import httpx
import pytest

from common.conformance.suite.service.quotes import (
    QUOTE,
    assert_priced,
    assert_refused,
    post,
    post_bytes,
    quote,
    request,
    without,
)
from common.conformance.wire import Wire

ACCEPTED_BYTES = 1_000_000
"""The length of the longest body that must be accepted."""
PAUSE_S = 0.01
TEXT = json.dumps(QUOTE)
NAME = json.dumps(quote(customer="Zo\u00eb \U0001f600"), ensure_ascii=False).encode()
"""A quote with characters of two and of four bytes."""

NOT_JSON: Mapping[str, bytes] = {
    "nothing": b"",
    "a space": b" ",
    "a form": b"customer=Ada&items=5",
    "half an object": TEXT[: len(TEXT) // 2].encode(),
    "a comma too many": TEXT.replace("}]}", "}],}").encode(),
    "single quotes": TEXT.replace('"', "'").encode(),
    "two objects": (TEXT + TEXT).encode(),
    "names without quotes": TEXT.replace('"customer"', "customer").encode(),
}
NOT_UTF_8: Mapping[str, bytes] = {
    "latin-1": TEXT.replace("Grace", "Gr\u00e5ce").encode("latin-1"),
    "half a character": NAME.replace(b"\xf0\x9f", b""),
    "0xFF before it": b"\xff" + TEXT.encode(),
}
NOT_AN_OBJECT = ["null", "true", "5", '"quote"', "[]", f"[{TEXT}]"]
OTHER_TYPES: Mapping[str, Mapping[str, str]] = {
    "no content type": {},
    "text/plain": {"Content-Type": "text/plain"},
    "a form's": {"Content-Type": "application/x-www-form-urlencoded"},
}

Connect = Callable[[], Wire]


@pytest.mark.parametrize("name", NOT_JSON)
def test_body_that_is_not_json_is_refused(client: httpx.Client, name: str) -> None:
    assert_refused(post_bytes(client, NOT_JSON[name]), f"{name} as its body")


@pytest.mark.parametrize("name", NOT_UTF_8)
def test_body_that_is_not_utf_8_is_refused(client: httpx.Client, name: str) -> None:
    assert_refused(post_bytes(client, NOT_UTF_8[name]), f"a body that is not UTF-8 ({name})")


@pytest.mark.parametrize("text", NOT_AN_OBJECT, ids=lambda text: text[:10])
def test_json_that_is_no_object_is_refused(client: httpx.Client, text: str) -> None:
    assert_refused(post_bytes(client, text.encode()), f"{text[:10]} as its body")


def test_charset_utf_8_is_accepted(client: httpx.Client) -> None:
    response = post_bytes(client, TEXT.encode(), {"Content-Type": "application/json; charset=utf-8"})
    assert_priced(response, QUOTE, "charset=utf-8")


def test_characters_beyond_ascii_are_read_as_utf_8(client: httpx.Client) -> None:
    assert_priced(post_bytes(client, NAME), json.loads(NAME), "characters of several bytes")


@pytest.mark.parametrize("name", OTHER_TYPES)
def test_body_of_another_content_type_is_read_as_json_or_refused(client: httpx.Client, name: str) -> None:
    response = post_bytes(client, TEXT.encode(), OTHER_TYPES[name])
    if response.status_code == 201:
        assert_priced(response, QUOTE, name)
    else:
        assert_refused(response, f"the content type {name}", (201, 400, 415, 422))


def test_body_of_a_megabyte_is_accepted(client: httpx.Client) -> None:
    document = quote(note="")
    document["note"] = "x" * (ACCEPTED_BYTES - len(json.dumps(document)))
    assert_priced(post(client, document), document, f"a body of {ACCEPTED_BYTES:,} bytes")


def test_invalid_body_of_half_a_megabyte_is_refused(client: httpx.Client) -> None:
    document = quote(note="x" * (ACCEPTED_BYTES // 2), customer="")
    assert_refused(post(client, document), "an empty customer in a long body", member="customer")


@pytest.mark.parametrize("pieces", [2, 7, 40])
def test_body_may_arrive_in_pieces(connect: Connect, pieces: int) -> None:
    wire = connect()
    whole = request(wire, NAME)
    start = len(whole) - len(NAME)
    cuts = [0, *(start + len(NAME) * number // pieces for number in range(pieces)), len(whole)]
    for begin, end in itertools.pairwise(cuts):
        wire.send(whole[begin:end])
        time.sleep(PAUSE_S)
    assert_priced(wire.response("POST"), json.loads(NAME), f"a body in {pieces} pieces")


@pytest.mark.parametrize("body", [TEXT.encode(), b"{}", b"{"], ids=["a quote", "an invalid quote", "no JSON"])
def test_request_after_a_body_is_answered(connect: Connect, body: bytes) -> None:
    wire = connect()
    wire.send(request(wire, body))
    first = wire.response("POST")
    if not first.announces_close:
        wire.send(request(wire, TEXT.encode()))
        assert_priced(wire.response("POST"), QUOTE, "a body after another one")


def test_body_is_not_read_as_the_next_request(connect: Connect) -> None:
    wire = connect()
    smuggled = request(wire, TEXT.encode())
    wire.send(request(wire, smuggled))
    assert_refused(wire.response("POST"), "another request as its body")
    surplus = wire.surplus(3 * PAUSE_S)
    assert not surplus, f"the body of POST /quotes was answered like a request: {surplus[:60]!r}"


def test_client_that_aborts_its_body_does_not_affect_the_next(connect: Connect) -> None:
    wire = connect()
    wire.send(request(wire, TEXT.encode())[:-10])
    time.sleep(10 * PAUSE_S)  # a reset discards what the server has not read yet: let it wait for the rest of the body
    wire.reset()
    other = connect()
    other.send(request(other, TEXT.encode(), "Connection: close"))
    assert_priced(other.response("POST"), QUOTE, "a body after a client that aborted its own")


def test_nothing_of_a_quote_is_kept(client: httpx.Client) -> None:
    """A customer of one quote must not stand in for that of the next, which has none."""
    post(client, QUOTE)
    assert_refused(post(client, without(QUOTE, "customer")), "no customer after a quote with one", member="customer")
