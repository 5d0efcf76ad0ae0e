"""The tests of the web UI: what is loaded, what each showed, how each ends, and whether it is on disk."""

import os
import time
from argparse import Namespace
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import gevent
import msgspec
from locust.env import Environment
from locust.runners import STATE_RUNNING, STATE_SPAWNING, LocalRunner

from common.errors import FailedError, UsageError
from common.records.summary import CellSummary, Interval, Verdict
from common.words import counted
from loadtests.analysis.formatting import MB
from loadtests.campaign.store import RunFolder
from loadtests.scenarios.locust_users import scenario_of
from loadtests.scenarios.scenario import Scenario
from loadtests.statistics.intervals import log_interval
from loadtests.timing.reading import Reading
from loadtests.users.options import options_of
from loadtests.web import recording
from loadtests.web.form import stop_test
from loadtests.web.menu import in_forms_words, wanted_of
from loadtests.web.monitor import LiveFigures, Monitor, connections, per_cpu_values
from loadtests.web.switchboard import Offer, Outcome, State, Switchboard, Wanted

POLL_S = 0.2
AGAIN_S = 5.0
"""The time after which a run that could not be written is tried again."""
LONGEST_START_S = 900.0
"""The time limit for building and starting a stack, after which the form gives up on it."""


@dataclass(kw_only=True)
class LiveTest:
    """A test that is over, or the one under way."""

    stack: str
    scenario: str
    users: int
    whole: LiveFigures | None
    interval: Interval | None
    run: str = ""
    """Id of its run, once that is on disk."""
    verdict: str = ""
    doubts: str = ""
    note: str = ""
    """Why there is no run, in a sentence."""

    def row(self) -> dict[str, object]:
        """Return it as a row of the table."""
        interval, whole = self.interval, self.whole
        bounds = "" if interval is None or interval.low is None else f"{interval.low:,.0f} to {interval.high:,.0f}"
        return {
            "stack": self.stack,
            "scenario": f"{self.scenario}, {self.users} connections",
            "per_cpu_s": "-" if whole is None or whole.per_cpu_s is None else f"{whole.per_cpu_s:,.0f}",
            "interval": bounds,
            "p50": _ms(whole.p50_s if whole else None),
            "p99": _ms(whole.p99_s if whole else None),
            "failures": "-" if whole is None else f"{whole.failures:,}",
            "memory": "-" if whole is None or whole.memory_bytes is None else f"{whole.memory_bytes / MB:,.1f}",
            "seconds": "-" if whole is None else f"{whole.duration_s:.0f}",
            "verdict": self.verdict,
            "run": self.run or self.note,
        }


@dataclass(kw_only=True)
class Live:
    """Everything that the page shows."""

    environment: Environment
    board: Switchboard
    left_s: float
    """The time after the last request of a page, after which a test without an end of its own is stopped."""
    done: list[LiveTest] = field(default_factory=list)
    folders: list[RunFolder] = field(default_factory=list)
    unwritten: list[tuple[LiveTest, recording.Finished]] = field(default_factory=list)
    problem: str = ""
    """Why the last START did not work, or what ended the last test."""
    seen_at_s: float = 0.0
    """The time, by ``time.monotonic``, of the last request."""

    def __post_init__(self) -> None:
        self.menu = self.board.menu()
        self.monitor = Monitor(self.environment, self._begin, self._mark)
        self.has_end = False
        """Whether the test under way was given a run time."""
        self._begun: recording.Begun | None = None
        self._offer = self.board.offered()
        self._gone: str | None = None
        self._is_quitting = False
        """Whether this process is ended because its command was killed, which ends the server at the same time."""
        self._starting = self._withdrawn = False
        self._write_at_s = 0.0

    def listen(self) -> None:
        """Sample every test from its start to its stop, and stop those that cannot or need not go on."""
        add: Any = self.environment.events
        add.test_start.add_listener(lambda **_: self._start())
        add.test_stopping.add_listener(lambda **_: self.end())
        add.quitting.add_listener(lambda **_: self._quit())
        gevent.spawn(self._watch)

    @property
    def is_testing(self) -> bool:
        """Whether a test is under way."""
        runner = self.environment.runner
        return runner is not None and runner.state in {STATE_RUNNING, STATE_SPAWNING}

    def switch(self, form: Mapping[str, str], scenario: type[Scenario]) -> str | None:
        """Have the stack that the form names up for a scenario, and no test under way; return why that failed.

        Whatever goes wrong before the new stack is ready leaves the one that is up as it is.
        """
        if self._starting:
            return "another START is under way. Wait for it, or press STOP."
        self._starting, self._withdrawn, self.problem = True, False, ""
        try:
            wanted = wanted_of(form, self.board.offered(), self.menu, scenario)
            stop_test(self.environment)
            if wanted is not None:
                self._bring_up(wanted)
        except (UsageError, FailedError) as error:
            self.problem = in_forms_words(str(error))
            return self.problem
        finally:
            self._starting = False
        self._load(self.board.offered())
        self.has_end = bool(form.get("run_time"))
        return None

    def withdraw(self) -> None:
        """Let a START whose stack is not up yet begin no test."""
        self._withdrawn = True

    def _bring_up(self, wanted: Wanted) -> None:
        number = self.board.offered().number + 1
        self.board.ask(msgspec.structs.replace(wanted, number=number))
        deadline_s = time.monotonic() + LONGEST_START_S
        while (offer := self.board.offered()).number < number or offer.state is State.STARTING:
            gevent.sleep(POLL_S)
            if self._withdrawn:
                raise FailedError(f"STOP was pressed before {wanted.framework} was up")
            if time.monotonic() > deadline_s:
                raise FailedError(f"{wanted.framework} was not up within {LONGEST_START_S:g} s")
        if offer.problem or offer.state is State.FAILED:
            raise FailedError(offer.problem or offer.message)

    def _load(self, offer: Offer) -> None:
        """Load what is up, from the cores that it leaves."""
        self.environment.host = offer.url
        if isinstance(self.environment.runner, LocalRunner):
            os.sched_setaffinity(0, offer.generator_cores)
            options_of(self.environment).cores = tuple(offer.generator_cores)

    def _quit(self) -> None:
        self._is_quitting = True

    def _start(self) -> None:
        self._offer, self._begun, self._gone = self.board.offered(), None, None
        self.monitor.start(self._offer)

    def _begin(self, first: Reading) -> None:
        if not recording.why_not(self.environment) and recording.is_up(self._offer, first):
            self._begun = recording.Begun(offer=self._offer, first=first)

    def _mark(self, reading: Reading) -> None:
        if self._begun is not None and self._gone is None and not self._is_quitting:
            self._begun.mark(reading)

    def end(self) -> None:
        """Keep what the test has shown, as a run on disk or with the reason why there is none."""
        if not self.monitor.is_running:
            return
        self.monitor.stop()
        current = self._current()
        self.done.append(current)  # at once, as pages ask while the run is made
        made = self._finished()
        if isinstance(made, str):
            current.note = made
            return
        current.whole = self.monitor.whole(made.load)
        current.verdict = made.result.verdict
        current.doubts = " ".join(f"{name}: {text}" for name, text in _doubts(made.result))
        self.unwritten.append((current, made))
        self._write()

    def _finished(self) -> recording.Finished | str:
        if reason := recording.why_not(self.environment):
            return reason
        if self._begun is None:
            runner = self.environment.runner
            users = runner.target_user_count if runner else 0
            seen = f"{connections(self.environment)} of {counted(users, 'connection')} were open"
            return f"not recorded: {f'{self._gone}; ' if self._gone else ''}{seen} when it ended"
        return recording.finish(self.environment, self._begun, self._gone)

    def _write(self) -> None:
        """Write the tests that are not on disk yet; those that fail are tried again, and their rows say so."""
        waiting, self.unwritten = self.unwritten, []
        for measured, finished in waiting:
            try:
                self.folders.append(finished.write())
                measured.run, measured.note = finished.run.id, ""
            except FailedError as error:
                measured.note = f"not on disk yet, and tried again every {AGAIN_S:g} s: {error}"
                self.unwritten.append((measured, finished))
        self._write_at_s = time.monotonic() + AGAIN_S

    def _watch(self) -> None:
        while not self.board.is_closing:
            gevent.sleep(POLL_S)
            if self.is_testing and (reason := self._why_to_stop()):
                self.problem = reason
                stop_test(self.environment)
            if self.unwritten and time.monotonic() > self._write_at_s:
                self._write()
        self._conclude()

    def _conclude(self) -> None:
        """Stop the test under way, and report the outcome of all."""
        before = len(self.done)
        self.withdraw()
        stop_test(self.environment)
        self._write()
        waiting = [test for test, _ in self.unwritten]
        lost = [test for number, test in enumerate(self.done) if test in waiting or (test.note and number >= before)]
        self.board.conclude(
            Outcome(
                runs=[folder.folder.name for folder in self.folders],
                lost=[f"{test.stack}, {test.scenario}: {test.note}" for test in lost],
            )
        )

    def _why_to_stop(self) -> str:
        """Return why the test under way has to end; empty where it may go on."""
        offer = self.board.offered()
        if offer.state is State.FAILED:
            self._gone = offer.message
            return f"{offer.message}; the test has ended with it. START brings the server up again."
        if not self.has_end and time.monotonic() - self.seen_at_s > self.left_s:
            return f"the test was stopped: no page had asked for its figures for {self.left_s:g} s."
        return ""

    def _current(self) -> LiveTest:
        runner = self.environment.runner
        return LiveTest(
            stack=self._offer.name,
            scenario=scenario_of(self.environment.user_classes[0]).name(),
            users=runner.target_user_count if runner else 0,
            whole=self.monitor.whole(),
            interval=log_interval(per_cpu_values(self.monitor.seconds())),
        )

    def table(self) -> list[dict[str, object]]:
        """Return a row for each test, the one under way last."""
        return [test.row() for test in [*self.done, *([self._current()] if self.monitor.is_running else [])]]

    def data(self) -> dict[str, Any]:
        """Return what the page polls."""
        offer, runner = self.board.offered(), self.environment.runner
        return {
            "state": runner.state if runner else "missing",
            "users": runner.target_user_count if runner else 0,
            "open": connections(self.environment),
            "starting": self._starting,
            "stack": offer.name,
            "stack_state": offer.state,
            "message": in_forms_words(offer.message),
            "problem": self.problem,
            "vcpu": offer.size.vcpu,
            "verdict": self._verdict(offer),
            "slices": [asdict(second) for second in self.monitor.seconds()],
            "tests": self.table(),
            "runs": [folder.folder.name for folder in self.folders],
        }

    def _verdict(self, offer: Offer) -> str:
        """Return how far to trust the figures of the test under way, or else of the last one."""
        if self.done and self.done[-1].doubts and not self.monitor.is_running:
            return self.done[-1].doubts
        return verdict(self.monitor.whole(), offer, options_of(self.environment))


def _doubts(result: CellSummary) -> Iterable[tuple[str, str]]:
    """Return the doubts of a run's result, except the one common to all tests here: a single server."""
    return ((name, text) for name, text in result.doubts.items() if name != Verdict.TOO_FEW_ROUNDS)


def verdict(whole: LiveFigures | None, offer: Offer, options: Namespace) -> str:
    """Return how far to trust the current figures, in words."""
    if whole is None:
        return "nothing is measured yet"
    if whole.failures:
        return f"{Verdict.WRONG_ANSWERS}: {counted(whole.failures, 'request')} failed"
    if whole.per_cpu_s is None:
        return f"{Verdict.WALL_ONLY}: the server's CPU time cannot be read"
    if set(offer.server_cores) & set(options.cores or os.sched_getaffinity(0)):
        return f"{Verdict.SHARED_CORE}: the load generator may use the server's cores"
    busy = (whole.server_cpu or 0) / offer.size.vcpu
    return f"one server, so no rank; it uses {busy:.0%} of its vCPUs"


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.2f}"
