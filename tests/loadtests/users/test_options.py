"""Locust's ``--tags`` and ``--exclude-tags`` choose among the requests of our scenarios."""

import json
from pathlib import Path

import pytest

from tests.support.locust_runs import keep_alive, locust, workers
from tests.support.servers import serving


@pytest.mark.parametrize("scenario", ["Mixed", "TlsMixed"])
@pytest.mark.parametrize(
    ("options", "names"),
    [(("--tags=hello",), {"/hello"}), (("--exclude-tags=hello",), {"/sleep"}), ((), {"/hello", "/sleep"})],
)
def test_only_requests_selected_by_tags_are_sent(
    scenario: str, options: tuple[str, ...], names: set[str], tmp_path: Path
) -> None:
    with serving(keep_alive) as server:
        done = locust(server.address[1], "-t=2", f"--json-file={tmp_path / 'seen'}", *options, scenario=scenario)
    entries = json.loads((tmp_path / "seen.json").read_text())
    assert {entry["name"]: entry["num_requests"] > 0 for entry in entries} == dict.fromkeys(names, True), done.stderr


def test_a_class_without_a_tagged_task_is_left_out(tmp_path: Path) -> None:
    with serving(keep_alive) as server:
        file = tmp_path / "seen"
        done = locust(server.address[1], "-t=1", "--tags=hello", f"--json-file={file}", "Sleep", scenario="Hello")
    (entry,) = json.loads(file.with_suffix(".json").read_text())
    assert (entry["name"], entry["num_failures"], done.returncode) == ("/hello", 0, 0)


@pytest.mark.parametrize("processes", [0, 2])
def test_tags_that_leave_no_task_are_refused_in_one_line(processes: int) -> None:
    done = locust(9, "-t=20", "--tags=order", *workers(processes), scenario="Mixed")
    assert done.returncode == 2
    assert "--tags and --exclude-tags leave no task of Mixed. Known tags: hello, sleep." in done.stderr
