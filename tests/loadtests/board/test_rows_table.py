"""The table shows known figures, and the notes give one command that measures the rest."""

import io
from datetime import timedelta

import pytest
from msgspec.structs import replace
from rich.console import Console

from common.catalog.prices import load_prices
from common.catalog.sizes import Runtime
from common.records.figure import Conditions, Figure, Metric, Subject
from loadtests.board.rows import Row, board_rows, fill_command, latency_command, rows_notes, rows_table
from tests.loadtests.board.test_rows import EVERYTHING
from tests.support.figures import DOCKER, HELLO, PROCESS, figure
from tests.support.records import NOON

PRICES = load_prices()
FARGATE = Subject(framework="a", server="b", image="slim", runtime=Runtime.FARGATE, python="3.13")


def _rows(*subjects: Subject, figures: list[Figure] | None = None, vcpu: float = 1.0) -> list[Row]:
    return board_rows(subjects, figures or [], PRICES, vcpu=vcpu)


def _notes(rows: list[Row]) -> list[str]:
    return list(rows_notes(rows, PRICES, vcpu=1.0, runtime=Runtime.DOCKER))


def _words(rows: list[Row]) -> list[str]:
    """Return the words of the last row of the table."""
    console = Console(file=io.StringIO(), width=150)
    console.print(rows_table(rows, vcpu=1.0))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().rstrip().splitlines()[-1].split()


def test_every_figure_stands_in_its_unit() -> None:
    words = _words(_rows(DOCKER, figures=EVERYTHING))
    assert words == ["a+b@slim", "docker", "1,000", "1,000.0", "50.0", "0.35", "31.0", "32", "12.3", "0.0274"]


def test_what_is_unknown_is_a_dash() -> None:
    assert _words(_rows(DOCKER)) == ["a+b@slim", "docker", *"--------"]


def test_where_nothing_is_missing_there_is_nothing_to_run() -> None:
    rows = _rows(DOCKER, figures=EVERYTHING)
    assert fill_command(rows, vcpu=1.0) is None
    assert not any("to fill the gaps" in note for note in _notes(rows))


def test_one_command_measures_everything_that_is_missing() -> None:
    assert fill_command(_rows(DOCKER), vcpu=1.0) == (
        "make loadtest latency startup memory sizes FRAMEWORK=a SERVER=b IMAGE=slim"
    )


def test_only_what_is_missing_is_measured() -> None:
    known = [one for one in EVERYTHING if one.metric not in {Metric.START_S, Metric.COMPRESSED_BYTES}]
    assert fill_command(_rows(DOCKER, figures=known), vcpu=1.0) == "make startup sizes FRAMEWORK=a SERVER=b IMAGE=slim"


def test_stacks_with_gaps_are_measured_together_and_those_without_left_out() -> None:
    other = Subject(framework="c", server="d", image="fat", runtime=Runtime.DOCKER, python="3.13")
    third = Subject(framework="e", server="b", image="fat", runtime=Runtime.DOCKER, python="3.13")
    assert fill_command(_rows(DOCKER, other, third, figures=EVERYTHING), vcpu=1.0) == (
        "make loadtest latency startup memory sizes FRAMEWORK=c,e SERVER=d,b IMAGE=fat"
    )


def test_stacks_without_gaps_are_not_named_by_a_command_for_others() -> None:
    known = [_with_all_figures("x", "gunicorn"), _with_all_figures("y", "waitress")]
    lacking = [Subject(framework=name, server=server, image="slim", runtime=Runtime.DOCKER, python="3.13")
               for name, server in (("x", "waitress"), ("y", "gunicorn"), ("z", "gunicorn"))]  # fmt: skip
    rows = _rows(*(one[0].subject for one in known), *lacking, figures=[one for some in known for one in some])
    assert fill_command(rows, vcpu=1.0) == (
        "make loadtest latency startup memory sizes FRAMEWORK=x SERVER=waitress IMAGE=slim && "
        "make loadtest latency startup memory sizes FRAMEWORK=y,z SERVER=gunicorn IMAGE=slim"
    )


def _with_all_figures(framework: str, server: str) -> list[Figure]:
    subject = Subject(framework=framework, server=server, image="slim", runtime=Runtime.DOCKER, python="3.13")
    return [replace(one, subject=subject) for one in EVERYTHING]


def test_another_python_than_the_usual_one_is_named_and_has_a_command_of_its_own() -> None:
    older = replace(DOCKER, python="3.12")
    assert fill_command(_rows(DOCKER, older), vcpu=1.0) == (
        "make loadtest latency startup memory sizes FRAMEWORK=a SERVER=b IMAGE=slim && "
        "make loadtest latency startup memory sizes FRAMEWORK=a SERVER=b IMAGE=slim PYTHON=3.12"
    )
    assert fill_command(_rows(replace(PROCESS, python="pypy3.11")), vcpu=1.0) == (
        "make loadtest latency startup memory FRAMEWORK=a SERVER=b RUNTIME=process PYTHON=pypy3.11"
    )


def test_processes_have_no_image_and_name_their_runtime() -> None:
    assert fill_command(_rows(PROCESS), vcpu=1.0) == (
        "make loadtest latency startup memory FRAMEWORK=a SERVER=b RUNTIME=process"
    )


def test_a_folder_of_the_users_own_is_named_by_its_path() -> None:
    subject = replace(PROCESS, framework="my-app-local")
    command = fill_command(_rows(PROCESS, subject), vcpu=1.0, selectors={"my-app-local": "/home/me/my app"})
    assert command == "make loadtest latency startup memory FRAMEWORK='a,/home/me/my app' SERVER=b RUNTIME=process"


def test_response_times_of_stacks_are_measured_by_a_command_for_each_runtime_and_python() -> None:
    other = replace(DOCKER, framework="c", python="3.12")
    assert latency_command([DOCKER, PROCESS, other, FARGATE], {"a": "./a"}) == (
        "make latency FRAMEWORK=./a SERVER=b IMAGE=slim && make latency FRAMEWORK=./a SERVER=b RUNTIME=process && "
        "make latency FRAMEWORK=c SERVER=b IMAGE=slim PYTHON=3.12"
    )
    assert latency_command([FARGATE], {}) is None


def test_only_gaps_of_the_runtime_asked_for_are_filled() -> None:
    (note,) = rows_notes(_rows(PROCESS, DOCKER), PRICES, vcpu=1.0, runtime=Runtime.PROCESS)
    assert note.endswith("FRAMEWORK=a SERVER=b RUNTIME=process")


def test_a_figure_of_other_packages_is_marked() -> None:
    rows = board_rows([DOCKER], EVERYTHING, PRICES, vcpu=1.0, locks={"a": "1" * 64})
    assert _words(rows)[2] == "1,000*"
    assert any(note.startswith("*: measured with other packages") for note in _notes(rows))


def test_what_is_known_of_fargate_only_is_not_measured_here() -> None:
    start = figure(Metric.START_S, 20, Conditions(vcpu=1.0, workers=1), subject=FARGATE)
    assert fill_command(_rows(FARGATE, figures=[start]), vcpu=1.0) is None


@pytest.mark.parametrize(
    ("vcpu", "expected"),
    [
        (
            0.5,
            (
                "make loadtest latency startup FRAMEWORK=a SERVER=b IMAGE=slim VCPU=0.5 && "
                "make memory sizes FRAMEWORK=a SERVER=b IMAGE=slim"
            ),
        ),
        (
            4,
            (
                "make loadtest latency startup FRAMEWORK=a SERVER=b IMAGE=slim VCPU=4 && "
                "make memory FRAMEWORK=a SERVER=b IMAGE=slim WORKERS=4 && "
                "make sizes FRAMEWORK=a SERVER=b IMAGE=slim"
            ),
        ),
    ],
)
def test_gaps_at_another_size_are_measured_at_that_size(vcpu: float, expected: str) -> None:
    assert fill_command(_rows(DOCKER, vcpu=vcpu), vcpu=vcpu) == expected


def test_a_part_of_a_vcpu_cannot_be_measured_of_processes() -> None:
    assert fill_command(_rows(PROCESS, vcpu=0.5), vcpu=0.5) is None


def test_the_notes_say_when_the_figures_were_measured_and_by_which_prices() -> None:
    text = "\n".join(_notes(_rows(DOCKER, figures=EVERYTHING)))
    assert "measured on 2026-01-02." in text
    assert "$/million: by fargate-x86, 2026-06-30, at 50 % of capacity." in text


def test_the_notes_name_the_first_and_the_last_day_of_measurements() -> None:
    later = figure(Metric.REQUESTS_PER_CPU_S, 40_000, HELLO, measured_at=NOON + timedelta(days=3))
    text = "\n".join(_notes(_rows(DOCKER, figures=[*EVERYTHING, later])))
    assert "measured from 2026-01-02 to 2026-01-05." in text


def test_where_nothing_is_known_the_notes_say_only_what_to_run() -> None:
    (note,) = _notes(_rows(DOCKER))
    assert note.startswith("to fill the gaps: make loadtest")


def test_the_rate_is_also_shown_as_the_time_of_a_request() -> None:
    rows = _rows(DOCKER, figures=[figure(Metric.REQUESTS_PER_CPU_S, 40_000, HELLO)])
    assert _words(rows)[2:4] == ["40,000", "25.0"]
