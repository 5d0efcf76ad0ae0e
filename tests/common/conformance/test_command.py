"""Tests of ``make conformance``: what it prints about a server at ``URL=``, and which variables it refuses."""

import io
import re
from collections.abc import Callable

import pytest
from rich.console import Console

from common.cli import commands
from common.cli.app import new_app, run
from common.conformance.checking import conformance_record, conformance_tables, observation_tables
from common.conformance.running import SuiteOutcome
from tests.common.conformance.faulty_service import AnswersWith200
from tests.common.conformance.faulty_sleep import BlocksEverybody
from tests.common.conformance.faulty_wire import KeepsWhatItShouldClose
from tests.common.conformance.good_server import serving
from tests.common.conformance.good_service import GoodService

pytestmark = [pytest.mark.slow, pytest.mark.parallel]
Make = Callable[..., tuple[int, str, str]]


@pytest.fixture
def make_conformance(capsys: pytest.CaptureFixture[str]) -> Make:
    """A function that runs the command and returns its exit status, output and error output."""

    def make(*options: str) -> tuple[int, str, str]:
        app = new_app("")
        app.command(commands.conformance)
        status = run(app, ["conformance", *options], {})
        return status, *capsys.readouterr()

    return make


def rows(output: str) -> dict[str, str]:
    """Return the second cell of each table row by the first."""
    cells = [[cell.strip() for cell in line.strip("\u2502").split("\u2502")] for line in output.splitlines()]
    return {row[0]: row[1] for row in cells if len(row) > 1}


def test_undeclared_server_is_observed_and_everything_else_is_judged(make_conformance: Make) -> None:
    with serving(BlocksEverybody) as url:
        status, output, _ = make_conformance(f"--url={url}")
    assert status == 0
    printed = rows(output)
    assert printed["concurrent sleeps overlap"] == "OVERLAP=auto"
    assert printed["connection is kept or closed as declared"] == "KEEP_ALIVE=auto"
    assert printed["longest delay is accepted"].startswith("sleeps do not overlap")
    assert printed["OPTIONS /hello"] == "405 GET, HEAD"
    assert re.search(r"concurrent sleeps overlap +\u2502 no ", output)
    assert re.search(r"connections are kept open +\u2502 yes ", output)


def test_declared_behaviour_is_judged(make_conformance: Make) -> None:
    with serving(KeepsWhatItShouldClose) as url:
        status, output, error = make_conformance(f"--url={url}", "--keep-alive=no", "--overlap=yes")
    assert status == 1
    assert "the connection was kept open" in output
    assert "every behaviour was judged" in output
    assert "OVERLAP=" not in output
    assert error == f"error: 1 of 1 stacks do not conform: {url}.\n"


def test_server_is_held_to_the_contract_of_the_service_if_that_is_asked_for(make_conformance: Make) -> None:
    with serving(GoodService) as url:
        status, output, _ = make_conformance(f"--url={url}", "--service=yes")
    assert status == 0
    assert rows(output)["quantity 2.0"] == "400"
    with serving(AnswersWith200) as url:
        status, output, _ = make_conformance(f"--url={url}", "--service=yes")
    assert status == 1
    assert "returns 200; expected 201" in output


def test_text_from_a_server_is_printed_unchanged_and_not_taken_for_markup() -> None:
    failed = {"test_hello.py::test_x": "GET /hello returns '[red]'"}
    outcome = SuiteOutcome(
        passed=[], failed=failed, observed={}, divergences={"Server": "[bold]"}, duration_s=1.0, not_judged={}
    )
    console = Console(file=io.StringIO(), width=150)
    console.print(conformance_tables({"falcon": conformance_record(outcome)}), observation_tables(outcome))
    output = console.file.getvalue()  # type: ignore[attr-defined]
    assert re.search(r"falcon +\u2502 test_hello\.py::test_x +\u2502 GET /hello returns '\[red\]'", output)
    assert rows(output)["Server"] == "[bold]"
    assert rows(output)["concurrent sleeps overlap"].startswith("not observed")


@pytest.mark.parametrize("option", ["--overlap=yes", "--overlap=auto", "--keep-alive=no"])
def test_declaration_without_a_url_is_refused_in_one_line(make_conformance: Make, option: str) -> None:
    status, _, error = make_conformance("--runtime=process", option)
    assert status == 2
    assert re.fullmatch(r"error: [^\n]+\n", error)
    assert f"{option} needs --url=" in error
