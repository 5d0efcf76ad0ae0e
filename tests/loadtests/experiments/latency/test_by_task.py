"""The order of a second task, and the meaning of its result."""

import json
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from common.aws.calls import CannotContinueError
from common.errors import FailedError
from common.records.load import Ceiling, Rate
from common.runtimes.running_server import LoadTask, RunningServer
from loadtests.experiments.latency import by_task
from loadtests.experiments.latency.by_task import (
    LINE,
    SLACK_S,
    WINDOW,
    LoadOrder,
    LoadResult,
    code_digest,
    raise_errors,
)
from loadtests.experiments.loadtest import visit as fresh_servers
from loadtests.windows.tools import GeneratorError
from tests.support.records import load, setup
from tests.support.traffic_records import a_point

CEILING = Ceiling(requests=1, duration_s=1.0, generator_cpu_s=1.0, requests_per_cpu_s=1.0)


class Task:
    """Stands in for a second task: records its order and returns a result."""

    def __init__(self, result: LoadResult) -> None:
        self.result = result
        self.asked: list[tuple[LoadOrder, float]] = []

    def ask(self, line: Sequence[str], longest_s: float) -> bytes:
        """Carry out what the command line says."""
        *words, order = line
        assert tuple(words) == LINE
        self.asked.append((msgspec.json.decode(order, type=LoadOrder), longest_s))
        return msgspec.json.encode(self.result)

    def running(self, exit_reason: str | None = None) -> RunningServer:
        """Return the server next to it."""
        return RunningServer(
            url="http://203.0.113.1:8000",
            client_prefix=(),
            cpu_meter=None,
            exit_reason=lambda: exit_reason,
            load_task=LoadTask(url="http://192.0.2.1:8000", ask=self.ask),
        )


def test_a_window_from_a_second_task_is_measured_by_it() -> None:
    task = Task(LoadResult(loads={WINDOW: load(1000)}))
    found = fresh_servers.measure(task.running(), setup(users=4, ceiling=CEILING), seed=7)
    assert found == load(1000)
    ((order, longest_s),) = task.asked
    assert order.code == code_digest()
    assert order.url == "http://192.0.2.1:8000", "as the task sees it"
    assert (order.seed, order.point) == (7, None)
    assert order.setup == setup(users=4), "without the ceiling: a task definition is short"
    assert longest_s == 30 + 1 + 2 + SLACK_S


def test_a_share_of_the_capacity_may_take_two_windows() -> None:
    task = Task(LoadResult(loads={WINDOW: load(1000)}))
    fresh_servers.measure(task.running(), setup(scenario="rate", rate=Rate(share=0.5)))
    assert task.asked[0][1] == 2 * (30 + 1 + 2) + SLACK_S


@pytest.mark.parametrize(
    ("result", "kind", "message"),
    [
        (LoadResult(stale_image=True), CannotContinueError, r"built from other code\. Run make generator REGISTRY="),
        (LoadResult(server_error="no connection was open"), FailedError, "^no connection was open$"),
        (LoadResult(generator_error="it did not end"), GeneratorError, "in the second task: it did not end"),
    ],
)
def test_an_error_in_the_task_is_raised_here(result: LoadResult, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message) as error:
        fresh_servers.measure(Task(result).running(), setup())
    assert type(error.value) is kind


def test_a_server_that_ended_is_the_reason_whatever_the_generator_says() -> None:
    running = Task(LoadResult(generator_error="refused")).running("killed for memory")
    with pytest.raises(FailedError, match=r"^killed for memory$") as error:
        raise_errors(running, LoadResult(generator_error="refused"))
    assert not isinstance(error.value, GeneratorError)


def test_an_order_fits_into_a_task_definition() -> None:
    order = LoadOrder(
        code=code_digest(), url="http://192.0.2.1:8000", setup=setup(), point=a_point(), traffic_seed="1/2/a+b"
    )
    assert len(json.dumps(msgspec.json.encode(order).decode())) < 8 * 1024


def test_the_digest_of_the_code_changes_with_a_module_and_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_task, "ROOT", tmp_path)
    module = tmp_path / "loadtests" / "windows" / "one.py"
    module.parent.mkdir(parents=True)
    digests = []
    for name, text in (("one.py", "a = 1"), ("one.py", "a = 2"), ("two.py", "a = 2"), ("two.lua", "a = 2")):
        for file in module.parent.iterdir():
            file.unlink()
        (module.parent / name).write_text(text)
        digests.append(code_digest.__wrapped__())
    assert len(set(digests)) == 4
    (module.parent / "results.json").write_text("{}")
    assert code_digest.__wrapped__() == digests[-1]
