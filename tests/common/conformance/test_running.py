"""Tests of running the suite from a program: its outcome, the reasons for failures, and the URLs that it refuses."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from common.conformance import running
from common.conformance.divergences import probe
from common.conformance.suite.test_openapi import LONGEST_MS, document, shortened
from common.conformance.wire import Endpoint
from common.contract import parse_delay
from common.errors import UsageError
from common.host.network import free_port
from tests.common.conformance.faulty_hello import WrongText
from tests.common.conformance.faulty_wire import EndsLinesWithLf
from tests.common.conformance.good_server import Good, serving


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://127.0.0.1:8000", "https is not supported"),
        ("127.0.0.1:8000", "the scheme is not http"),
        ("", "the scheme is not http"),
        ("http://", "it has no host"),
        ("http://127.0.0.1:99999", "Port out of range"),
        ("http://127.0.0.1:port", "Port could not be cast"),
        ("http://me:secret@127.0.0.1:8000", "it contains credentials"),
        ("http://127.0.0.1:8000/api", "it has a path"),
        ("http://127.0.0.1:8000?x=1", "it has a path"),
    ],
)
def test_malformed_url_is_refused_with_what_is_accepted(url: str, reason: str) -> None:
    with pytest.raises(UsageError, match=f"^invalid URL={re.escape(url)}: .*{reason}.* Accepted: http://HOST:PORT"):
        running.run_suite(url, keep_alive=None, overlap=None)


def test_url_that_cannot_be_reached_is_refused_before_pytest_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", pytest.fail)
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(UsageError, match=f"^URL={url} cannot be reached: Connection refused"):
        running.run_suite(url, keep_alive=None, overlap=None)


def test_url_behind_a_prefix_that_cannot_be_reached_is_refused() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(UsageError, match=f"^URL={url} cannot be reached: Connection refused"):
        running.run_suite(url, keep_alive=None, overlap=None, prefix=("env", "SOMEWHERE=else"))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
        ("HTTP://LocalHost", "http://localhost:80"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_url_is_normalised(url: str, expected: str) -> None:
    assert Endpoint.parse(url).url == expected


def test_outcome_has_the_failed_test_and_the_reason_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with serving(WrongText) as url:
        outcome = running.run_suite(url, keep_alive=True, overlap=True, select="test_hello.py")
    reason = "GET /hello returns '\"Hello World\"'; expected the JSON string 'hello world'"
    assert outcome.failed == {"test_hello.py::test_hello_returns_its_json_string": reason}
    assert "test_hello.py::test_hello_is_answered_with_200" in outcome.passed
    assert 0 < outcome.duration_s < 60
    assert list(tmp_path.iterdir()) == []


def test_prefix_runs_pytest(tmp_path: Path) -> None:
    script = tmp_path / "prefix"
    script.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\nexec "$@"\n')
    script.chmod(0o700)
    with serving(Good) as url:
        outcome = running.run_suite(url, keep_alive=None, overlap=None, prefix=(str(script),), select="test_hello.py")
    assert outcome.passed
    assert (tmp_path / "arguments").read_text().startswith(f"{sys.executable} -m pytest ")


def test_what_a_user_configures_for_pytest_does_not_change_the_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "--no-such-option")
    monkeypatch.setenv("PYTEST_PLUGINS", "no_such_module")
    with serving(Good) as url:
        assert running.run_suite(url, keep_alive=None, overlap=None, select="test_hello.py").passed


def test_divergences_are_observed() -> None:
    with serving(EndsLinesWithLf) as url:
        divergences = probe(url)
    assert divergences["HEAD /hello"] == "200"
    assert divergences["GET /hello/"] == "404"
    assert divergences["GET /sleep/%31"] == '200 "slept for 1 ms"'
    assert divergences["Server"] == "absent"
    assert divergences["framing"] == "Content-Length"
    assert divergences["two requests at once"] == "both are answered"
    assert divergences["HTTP/1.0"].endswith(" 200 OK")
    assert divergences["body of a 404"].startswith("application/json: {")
    assert divergences["header of 10,000 bytes"] == "200"
    assert divergences["header of 100,000 bytes"].startswith(("431", "no answer"))


def test_probe_without_an_answer_is_reported_as_such() -> None:
    class NoHead(Good):
        def do_HEAD(self) -> None:  # noqa: N802 -- the library's name
            self.close_connection = True

    with serving(NoHead) as url:
        assert probe(url)["HEAD /hello"].startswith("no answer")


@pytest.mark.parametrize("delay", ["0", "007", "60000", "59999", "00042"])
def test_generated_delay_is_shortened_and_keeps_its_digits(delay: str) -> None:
    short = str(shortened(delay))
    assert len(short) == len(delay)
    assert parse_delay(short) <= LONGEST_MS


@pytest.mark.parametrize("delay", ["-1", "60001", "000001", "\u0661", "", "5\n"])
def test_generated_delay_that_is_invalid_is_unchanged(delay: str) -> None:
    assert shortened(delay) == delay


def test_document_accepts_exactly_the_delays_that_the_contract_parses() -> None:
    operation = document.raw_schema["paths"]["/sleep/{delay}"]["get"]
    pattern = operation["parameters"][0]["schema"]["pattern"]
    for text in [*(str(number) for number in range(0, 70000, 7)), "60000", "60001", "000000", "00000", "-1", "", "1e3"]:
        assert (re.search(pattern, text) is not None) == _parses(text), text


def _parses(text: str) -> bool:
    try:
        parse_delay(text)
    except ValueError:
        return False
    return True
