"""Each stack's part of the page says what it is."""

import re
from typing import Any

import pytest

from common.catalog.sizes import Runtime
from common.packages.variants import framework_from_folder
from common.project import ROOT
from common.records.figure import Metric, Subject
from common.records.load import Arrivals, Objective, OwnRequest, Rate, Tool
from common.records.run import Guest
from loadtests.campaign.store import RunFolder
from loadtests.page.sources import Source
from loadtests.page.stacks import part_id, stack_parts
from loadtests.page.writing import report
from tests.support.pages import load_test, page_of, source_of, with_figures
from tests.support.records import cell, load, run, window

GOLDEN = ROOT / "tests" / "golden"


def test_a_part_says_how_much_its_framework_is_used_where_that_is_known() -> None:
    parts = stack_parts(page_of(load_test({"falcon+u": 20_000.0, "unheard_of+u": 10_000.0})))
    facts = {part.name: dict(part.facts) for part in parts}
    assert "GitHub stars" in facts["falcon+u"]["popularity"]
    assert "popularity" not in facts["unheard_of+u"]


def test_a_name_of_any_length_is_a_file_of_its_own_on_the_site() -> None:
    names = ["x" * 300, "x" * 301, "../up", "a<b", "a>b", "a+b"]
    subjects = [Subject(framework=name, server="s", runtime=Runtime.PROCESS, python="3.13") for name in names]
    files = [part_id(subject) for subject in subjects]
    assert len(set(files)) == len(names)
    assert all(len(file) < 130 and re.fullmatch(r"[A-Za-z0-9_.-]+", file) for file in files)
    assert part_id(subjects[-1]) == "stack-a-b-s-py3.13-process"


@pytest.mark.parametrize(
    ("guest", "command"),
    [
        (Guest(image="registry/app:tag", capabilities=""), "make loadtest TARGET_IMAGE=registry/app:tag"),
        (Guest(image="app", capabilities="SETUID"), "make loadtest TARGET_IMAGE=app TARGET_CAPS=SETUID"),
        (Guest(url="http://mine:8000"), "make loadtest URL=http://mine:8000"),
        (Guest(url="http://mine:8000", meter="tree:123"), "make loadtest URL=http://mine:8000 PID=PID"),
        (Guest(url="http://mine:8000", meter="cgroup:/x"), "make loadtest URL=http://mine:8000 CONTAINER=NAME"),
    ],
)
def test_a_server_of_ones_own_is_called_so_and_measured_again_by_its_own_variables(guest: Guest, command: str) -> None:
    unknown = {"version": None, "server": "own", "python": "", "lock_sha256": "", "interface": "native"}
    made = run([cell(guest.name, framework=guest.name, guest=guest, image_tag=guest.image, **unknown)])
    (part,) = stack_parts(page_of(source_of(made, [window(guest.name, number, load()) for number in range(1, 6)])))
    facts = dict(part.facts)
    assert facts["server"] == "one of your own"
    assert all(facts.values())
    assert facts.keys().isdisjoint({"framework", "interface", "Python", "command line", "lock, SHA-256"})
    assert part.command == command


@pytest.mark.parametrize(
    ("sent", "command"),
    [
        ({}, "make loadtest FRAMEWORK=a SERVER=u RUNTIME=process"),
        ({"scenario": "mixed"}, "make loadtest FRAMEWORK=a SERVER=u RUNTIME=process SCENARIO=mixed"),
        (
            {"scenario": "paths", "requests": [OwnRequest(path="/x")]},
            "make loadtest FRAMEWORK=a SERVER=u RUNTIME=process PATHS=FILE",
        ),
        (
            {"vcpu": 0.5, "memory_bytes": 512 * 1024**2},
            "make loadtest FRAMEWORK=a SERVER=u RUNTIME=process VCPU=0.5 MEMORY=512m",
        ),
        ({"users": 64, "delay_ms": 5}, "make loadtest FRAMEWORK=a SERVER=u RUNTIME=process USERS=64 DELAY=5"),
        (
            {"scenario": "rate", "rate": Rate(share=0.5), "arrivals": Arrivals.CONSTANT},
            "make loadtest FRAMEWORK=a SERVER=u RUNTIME=process SCENARIO=rate",
        ),
        (
            {"scenario": "rate", "rate": Rate(rps=5000.0), "arrivals": Arrivals.POISSON},
            "make loadtest FRAMEWORK=a SERVER=u RUNTIME=process SCENARIO=rate RATE=5000 ARRIVALS=poisson",
        ),
        (
            {"scenario": "ramp", "rate": Rate(rps=500.0), "objective": Objective.parse("p99<20ms")},
            "make loadtest FRAMEWORK=a SERVER=u RUNTIME=process SCENARIO=ramp OBJECTIVE='p99<20ms'",
        ),
        (
            {"tool": Tool.WRK, "generator_workers": 2},
            "make loadtest FRAMEWORK=a SERVER=u RUNTIME=process TOOL=wrk GENERATOR_WORKERS=2",
        ),
    ],
)
def test_a_stack_is_measured_again_by_what_it_was_sent(sent: dict[str, Any], command: str) -> None:
    (part,) = stack_parts(page_of(load_test({"a+u": 20_000.0}, **sent)))
    assert part.command == command


def test_only_what_the_load_test_holds_is_measured_again_under_its_load() -> None:
    started = with_figures(Source.read(RunFolder(folder=GOLDEN / "startup")), [(Metric.START_S, 0.5)])
    parts = stack_parts(page_of(load_test({"a+u": 20_000.0}, scenario="mixed"), started))
    assert len(parts) > 1
    assert [part.name for part in parts if "SCENARIO=" in part.command] == ["a+u"]


def test_no_command_measures_a_folder_again_that_is_not_recorded() -> None:
    own = framework_from_folder(ROOT / "frameworks" / "falcon").name
    page = page_of(load_test({f"{own}+u": 20_000.0}))
    assert [part.command for part in stack_parts(page)] == [""]
    assert "To measure it again" not in report(page)
    assert "To measure it again" in report(page_of())
