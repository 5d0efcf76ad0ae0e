"""Candidates are checked, and outcomes recorded and printed with a framework's declared deviations."""

import io
import os
import threading
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import pytest
from rich.console import Console

from common.catalog.frameworks import frameworks
from common.catalog.stacks import stacks
from common.conformance import checking
from common.conformance.checking import conform, conform_all, conformance_record, conformance_tables
from common.conformance.running import SuiteOutcome
from common.errors import BenchmarkError, FailedError, UsageError
from common.host.network import free_port
from common.records.run import Conformance, Guest
from common.runtimes.candidates import Candidate, guest_candidate
from common.runtimes.running_server import RunningServer
from tests.support.fargate_settings import fargate_settings
from tests.support.waiting import wait_until

OUTCOME = SuiteOutcome(
    passed=["test_a.py::test_x[/HELLO]", "test_a.py::test_y"],
    failed={"test_a.py::test_z[/HELLO]": "returns 200"},
    observed={},
    divergences={},
    duration_s=1.0,
)


TWO = [Candidate(stack=one) for one in stacks("raw_asgi,raw_wsgi", "default", frameworks())]
PASSED = Conformance(passed=1, failed={}, duration_s=1)


@pytest.fixture(autouse=True)
def prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the preparation: no server is started here."""
    monkeypatch.setattr(checking, "prepare_available", lambda candidates, _: (candidates, {}))


def running(ended: str | None) -> RunningServer:
    """Return a server that runs, or has ended for a reason."""
    return RunningServer(url="http://127.0.0.1:9", client_prefix=(), cpu_meter=None, exit_reason=lambda: ended)


def raised_or_returned(answer: SuiteOutcome | BenchmarkError) -> SuiteOutcome:
    """Return an outcome; raise an error."""
    if isinstance(answer, BenchmarkError):
        raise answer
    return answer


def printed(outcome: Conformance) -> str:
    """Return the tables of one stack as they are printed."""
    console = Console(file=io.StringIO(), width=150)
    console.print(conformance_tables({"a+b": outcome}))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core checks one candidate at a time")
def test_candidates_are_checked_several_at_a_time_and_their_outcomes_keep_the_order_given() -> None:
    output = io.StringIO()
    first, last = TWO

    def check(candidate: Candidate) -> Conformance:
        if candidate is first:
            wait_until(lambda: last.name in output.getvalue())
        return PASSED

    assert list(conform_all(TWO, Console(file=output), check)) == [first.name, last.name]
    assert output.getvalue().splitlines() == [f"{one.name}: 1 passed, 0 failed" for one in (last, first)]


def test_tasks_on_fargate_are_checked_one_by_one_where_an_interrupt_arrives() -> None:
    threads = list[threading.Thread]()

    def check(_: Candidate) -> Conformance:
        threads.append(threading.current_thread())
        return PASSED

    billed = [replace(candidate, fargate=fargate_settings()) for candidate in TWO]
    conform_all(billed, Console(file=io.StringIO()), check)
    assert threads == [threading.main_thread()] * 2


@pytest.mark.parametrize(
    ("error", "ended", "reason"),
    [
        (
            UsageError("URL=http://127.0.0.1:9 cannot be reached"),
            "exit status 3. Bye.",
            "the server ended: exit status 3. Bye.",
        ),
        (UsageError("pytest refused its command line."), None, "pytest refused its command line."),
        (FailedError("the suite did not finish within 300 s."), None, "the suite did not finish within 300 s."),
    ],
)
def test_suite_that_does_not_come_to_its_end_is_an_outcome_of_that_stack_alone(
    monkeypatch: pytest.MonkeyPatch, error: BenchmarkError, ended: str | None, reason: str
) -> None:
    answers: list[SuiteOutcome | BenchmarkError] = [error, OUTCOME]
    monkeypatch.setattr(Candidate, "serve", lambda *_, **__: nullcontext(running(ended)))
    monkeypatch.setattr(checking, "run_suite", lambda *_, **__: raised_or_returned(answers.pop(0)))
    outcomes = [conform(one) for one in TWO]
    assert outcomes[0].failed == {"suite": reason}
    assert set(outcomes[1].failed) == {"test_a.py::test_z[/HELLO]"}


@pytest.mark.parametrize("prefix", [(), ("env", "SOMEWHERE=else")])
def test_server_that_was_not_given_as_a_url_is_not_blamed_on_one(
    monkeypatch: pytest.MonkeyPatch, prefix: tuple[str, ...]
) -> None:
    deaf = replace(running(None), url=f"http://127.0.0.1:{free_port()}", client_prefix=prefix)
    monkeypatch.setattr(Candidate, "serve", lambda *_, **__: nullcontext(deaf))
    assert conform(TWO[0]).failed == {"suite": "the server no longer accepts connections: Connection refused"}


def test_server_that_does_not_start_fails_the_test_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def serve(*_: object, **__: object) -> AbstractContextManager[RunningServer]:
        raise FailedError("it ended with exit status 3")

    monkeypatch.setattr(Candidate, "serve", serve)
    assert conform(TWO[0]).failed == {"start": "it ended with exit status 3"}


def test_suite_is_not_run_on_a_server_at_a_url_that_cannot_be_reached() -> None:
    with pytest.raises(UsageError, match="cannot be reached"):
        conform(guest_candidate(Guest(url=f"http://127.0.0.1:{free_port()}")))


def test_test_that_fails_as_declared_is_a_deviation_and_no_failure() -> None:
    record = conformance_record(OUTCOME, {"test_a.py::test_z[/HELLO]": "its router ignores case"})
    assert record.failed == {}
    assert record.deviations == {"test_a.py::test_z[/HELLO]": "its router ignores case"}
    assert "conforms, with deviations" in printed(record)
    assert "its router ignores case" in printed(record)


def test_declared_deviation_that_passes_is_a_failure() -> None:
    record = conformance_record(OUTCOME, {"test_a.py::test_y": "its router ignores case"})
    assert set(record.failed) == {"test_a.py::test_y", "test_a.py::test_z[/HELLO]"}
    assert "remove it from the framework's pyproject.toml" in record.failed["test_a.py::test_y"]
    assert record.deviations == {}


def test_declared_deviation_that_was_not_run_is_neither() -> None:
    record = conformance_record(OUTCOME, {"test_a.py::test_unknown": "its router ignores case"})
    assert set(record.failed) == {"test_a.py::test_z[/HELLO]"}
    assert record.deviations == {}


def test_name_of_a_test_is_printed_unchanged_and_not_taken_for_markup() -> None:
    output = printed(conformance_record(OUTCOME))
    assert "test_a.py::test_z[/HELLO]" in output
    assert "nonconforming" in output
    assert "deviations" not in output
