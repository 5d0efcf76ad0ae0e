"""Make and its help know the command line's own declarations, and no others."""

import io
import re
from dataclasses import fields
from functools import cache

import pytest
from cyclopts import App
from rich.console import Console, RenderableType

from common.aws.settings import FargateSettings
from common.cli.app import GIVEN, run
from loadtests.__main__ import command_line
from loadtests.cli.help_page import arguments_of, explanation, makefile_goals, overview
from tests.support.given import by_make

APP = command_line()
NAMES = [name for name in APP if not name.startswith("-")]
FARGATE = {field.name for field in fields(FargateSettings)}


def _text(printed: RenderableType) -> str:
    console = Console(file=io.StringIO(), width=150)
    console.print(printed)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def _variables(command: App) -> list[str]:
    return [one.name.removeprefix("--").upper().replace("-", "_") for one in arguments_of(command)]


@cache
def _overview() -> str:
    return _text(overview(APP))


def _entry(name: str) -> str:
    """Return what the overview says of a command."""
    found = re.search(rf"^  {name} .*\n(?:^ {{19}}.*\n)*", _overview(), re.MULTILINE)
    assert found is not None
    return found[0]


@pytest.mark.parametrize("name", NAMES)
def test_every_command_says_what_it_does_in_one_sentence(name: str) -> None:
    sentence = (APP[name].help or "").strip()
    assert re.fullmatch(r"[A-Z][^\n]*\.", sentence)


@pytest.mark.parametrize("name", NAMES)
def test_every_option_has_a_help_text(name: str) -> None:
    missing = [
        one.name for one in arguments_of(APP[name]) if not one.parameter.help and one.field_info.name not in FARGATE
    ]
    assert missing == []


def test_the_overview_names_every_command_with_its_variables_and_their_defaults() -> None:
    for name in NAMES:
        if name != "help":
            entry = _entry(name)
            on_fargate = set(_variables(APP[name])) >= {one.upper() for one in FARGATE}
            named = set(re.findall(r"([A-Z][A-Z0-9_]*)=", entry)) - {"RUNTIME"}
            own = set(_variables(APP[name])) - ({one.upper() for one in FARGATE} if on_fargate else set()) - {"RUNTIME"}
            assert named == own, name
            assert ("and those of RUNTIME=fargate" in entry) == on_fargate


def test_defaults_are_written_as_a_user_would_write_them() -> None:
    assert "SCENARIO=hello USERS=16 DELAY=100" in " ".join(_entry("loadtest").split())
    assert "MARGIN=5% SEED= OUT= RESUME=" in " ".join(_entry("loadtest").split())
    assert "EVERYONES=0 DRY_RUN=0" in _entry("fargate-clean")
    assert "VCPU=1 FORMAT=text" in _entry("show")


def test_the_overview_follows_the_order_of_use() -> None:
    text = _overview()
    flow = ["list", "lock", "build", "bases", "push", "serve", "conformance", "loadtest", "compare", "latency"]
    flow += ["startup", "memory", "sizes", "show", "money", "publish", "crosscheck", "test", "lint", "clean"]
    places = [text.index(f"\n  {name} ") for name in flow]
    assert places == sorted(places)


def test_the_overview_fits_into_a_window() -> None:
    assert max(map(len, _text(overview(APP)).splitlines())) <= 130


def test_goals_documented_in_the_makefile_are_in_the_overview() -> None:
    goals = dict(makefile_goals())
    assert goals.keys() >= {"test", "lint", "format", "clean"}
    assert goals.keys().isdisjoint(NAMES)
    for name, sentence in goals.items():
        assert sentence in _entry(name)


@pytest.mark.parametrize("name", NAMES)
def test_an_explanation_has_a_line_for_every_variable(name: str) -> None:
    text = _text(explanation(APP, name))
    assert text.startswith(f"make {name}: ")
    for argument, variable in zip(arguments_of(APP[name]), _variables(APP[name]), strict=True):
        (line,) = re.findall(rf"^ +{variable}=.*$", text, re.MULTILINE)
        assert (argument.parameter.help or "").split(" ")[0] in line


def test_help_prints_the_overview_or_one_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(APP, ["help"], {GIVEN: ""}) == 0
    assert "\n  loadtest " in capsys.readouterr().out
    assert run(APP, ["help"], by_make({"COMMAND": "Bench_Generator"})) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("make bench-generator: ")
    assert printed.err == ""
