"""Every answer is judged right, wrong or malformed, however its bytes are cut."""

import pytest

from loadtests.users.responses import NO_RESPONSE, Failure, Request, ResponseReader, json_string, judge

HELLO = Request("/hello", expect=json_string("hello world"))
OK = b"HTTP/1.1 200 OK\r\nDate: Tue, 15 Nov 1994 08:12:31 GMT\r\nContent-Length: 13\r\n\r\n"
GOOD = OK + b'"hello world"'
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.0 200 OK\r\n\r\n"

STREAMS = {
    "content length": (GOOD, None),
    "chunked": (CHUNKED + b'6\r\n"hello\r\n7\r\n world"\r\n0\r\n\r\n', None),
    "chunked with trailer": (CHUNKED + b'd\r\n"hello world"\r\n0\r\nDigest: x\r\n\r\n', None),
    "until close": (UNTIL_CLOSE + b'"hello world"', None),
    "other spelling": (OK.replace(b"13", b"15") + b' "hello world" ', None),
    "100 first": (b"HTTP/1.1 100 Continue\r\n\r\n" + GOOD, None),
    "103 first": (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + GOOD, None),
    "wrong body": (OK + b'"hello w0rld"', Failure.WRONG_BODY),
    "no JSON": (OK + b"hello world!!", Failure.WRONG_BODY),
    "empty body": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Failure.WRONG_BODY),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", "status 204"),
    "not found": (b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", "status 404"),
    "server error until close": (b"HTTP/1.1 500 Oops\r\n\r\nno", "status 500"),
    "switching protocols": (b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nfoo", Failure.MALFORMED),
    "another version": (GOOD.replace(b"HTTP/1.1", b"HTTP/2.0"), Failure.MALFORMED),
    "an old version": (GOOD.replace(b"HTTP/1.1", b"HTTP/0.9"), Failure.MALFORMED),
    "an announcement in another version": (b"HTTP/2.0 103 Early Hints\r\n\r\n" + GOOD, Failure.MALFORMED),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n", Failure.MALFORMED),
    "negative length": (b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nhi", Failure.MALFORMED),
    "two lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi", Failure.MALFORMED),
    "length and chunks": (CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Length: 2\r\n\r\n") + b"hi", Failure.MALFORMED),
    "bad chunk": (CHUNKED + b"x\r\nhi", Failure.MALFORMED),
    "two answers": (GOOD + GOOD, Failure.EXTRA_BYTES),
    "answer and rubbish": (GOOD + b"x", Failure.EXTRA_BYTES),
    "nothing": (b"", Failure.CLOSED),
    "half a head": (OK[:20], Failure.CUT_SHORT),
    "half a body": (GOOD[:-3], Failure.CUT_SHORT),
    "chunks without the last": (CHUNKED + b'd\r\n"hello world"\r\n0\r\n', Failure.CUT_SHORT),
    "only an announcement": (b"HTTP/1.1 100 Continue\r\n\r\n", Failure.CUT_SHORT),
}


def take(stream: bytes, *, piece_bytes: int, method: str = "GET") -> ResponseReader:
    answer = ResponseReader(method)
    for start in range(0, len(stream), piece_bytes):
        answer.feed(stream[start : start + piece_bytes])
        if answer.failure:
            return answer
    answer.end()
    return answer


@pytest.mark.parametrize("piece_bytes", [1, 2, 7, 10_000])
@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_is_judged_the_same_however_it_is_cut(name: str, piece_bytes: int) -> None:
    stream, expected = STREAMS[name]
    assert judge(HELLO, take(stream, piece_bytes=piece_bytes)) == expected


@pytest.mark.parametrize("start", [UNTIL_CLOSE, CHUNKED, OK.replace(b"13", b"9999999"), OK[:-2] + b"X: "])
def test_an_answer_is_taken_in_up_to_its_limit_and_no_further(start: bytes) -> None:
    answer = ResponseReader(max_bytes=1000)
    answer.feed(start)
    for _ in range(1000):
        answer.feed(b"1\r\nx\r\n" if start == CHUNKED else b"x" * 6)
        if answer.over:
            break
    assert answer.failure is Failure.TOO_LONG
    assert len(answer.body) <= 1000


@pytest.mark.parametrize(
    ("stream", "keep_alive"),
    [
        (GOOD, True),
        (GOOD.replace(b"1.1", b"1.0"), False),
        (GOOD.replace(b"\r\nDate", b"\r\nConnection: close\r\nDate"), False),
        (STREAMS["chunked"][0], True),
        (STREAMS["until close"][0], False),
        (STREAMS["100 first"][0], True),
    ],
)
def test_keep_alive_is_detected(stream: bytes, keep_alive: bool) -> None:  # noqa: FBT001
    assert take(stream, piece_bytes=5).keep_alive is keep_alive


@pytest.mark.parametrize("framing", [b"Content-Length: 13", b"Transfer-Encoding: chunked", b"Server: x"])
def test_an_answer_to_head_has_no_body_whatever_its_headers_say(framing: bytes) -> None:
    request = Request("/hello", expect=b"", method="HEAD")
    assert judge(request, take(b"HTTP/1.1 200 OK\r\n%s\r\n\r\n" % framing, piece_bytes=4, method="HEAD")) is None


def test_a_learned_answer_matches_with_any_date() -> None:
    learned = take(GOOD, piece_bytes=50).learn()
    assert learned.matches(GOOD)
    assert learned.matches(GOOD.replace(b"08:12:31", b"23:59:59"))


@pytest.mark.parametrize(
    "other",
    [
        GOOD.replace(b"Tue", b"T\0e"),
        GOOD.replace(b"1994 08", b"19\r\n: 8"),
        GOOD[:-1],
        GOOD + b"x",
        GOOD.replace(b"200", b"201"),
        GOOD.replace(b"world", b"w0rld"),
        b"",
        GOOD + GOOD,
    ],
)
def test_a_learned_answer_matches_nothing_else(other: bytes) -> None:
    assert not take(GOOD, piece_bytes=50).learn().matches(other)


def test_every_prefix_of_a_learned_answer_from_its_date_on_begins_it() -> None:
    learned = take(GOOD, piece_bytes=50).learn()
    begun = [learned.begins(GOOD[:length]) for length in range(len(GOOD) + 2)]
    assert begun == [len(learned.head) <= length < len(GOOD) for length in range(len(GOOD) + 2)]


@pytest.mark.parametrize(
    "other", [OK.replace(b"13", b"12"), GOOD.replace(b"world", b"w0rl")[:-1], b"", b"HTTP/1.1 500"]
)
def test_bytes_that_cannot_become_the_learned_answer_do_not_begin_it(other: bytes) -> None:
    assert not take(GOOD, piece_bytes=50).learn().begins(other)


@pytest.mark.parametrize("stream", [STREAMS["until close"][0], OK.replace(b"13", b"70000") + b"x" * 70_000])
def test_an_answer_that_cannot_be_compared_whole_is_not_learned(stream: bytes) -> None:
    assert take(stream, piece_bytes=1000).learn() == NO_RESPONSE


def test_a_check_that_raises_rejects_the_answer() -> None:
    assert not HELLO.accepts(b"\xff{")


def test_a_request_with_a_body_declares_its_length() -> None:
    request = Request("/a", expect=b"", method="POST", body=b"{}", headers=(("Content-Type", "application/json"),))
    assert request.under("/v1").wire("h:1") == (
        b"POST /v1/a HTTP/1.1\r\nHost: h:1\r\nAccept: */*\r\n"
        b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    )
    assert request.under("/v1").label == "/a"


def test_an_answer_is_compared_with_the_latest_date() -> None:
    learned, later = take(GOOD, piece_bytes=50).learn(), GOOD.replace(b"08:12:31", b"08:12:32")
    assert learned.latest == GOOD
    assert learned.matches(later)
    assert learned.latest == later
    assert not learned.matches(GOOD.replace(b"world", b"w0rld"))
    assert learned.latest == later
