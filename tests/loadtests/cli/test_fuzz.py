"""Whatever value a variable is given: its command begins, or ends in one line, and nothing else happens."""

import functools
import os
import random
import signal
import string
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from cyclopts import App

from common.catalog.prices import load_prices
from common.cli import app as cli
from common.cli import catalog, commands
from common.cli.app import option_names, run
from common.engine import client
from common.packages import locks
from common.runtimes import candidates
from loadtests.__main__ import command_line
from loadtests.board.index import FigureIndex
from loadtests.campaign import store
from loadtests.campaign.store import PUBLISHED
from loadtests.cli import outcome, profile, results, shares, survey, web
from loadtests.experiments import packages
from loadtests.page.site import published_runs
from tests.support.fuzzing import EXAMPLES
from tests.support.given import by_make

FEW, MANY = 200, EXAMPLES // 2
WORDS = (
    "", " ", "0", "1", "2", "16", "0.25", "1.5", "-1", "1e3", "1e999", "nan", "inf", "0x10", "1_0", "\uff11\uff16",
    "9" * 5000, "all", "default", "auto", "process", "docker", "fargate", "slim", "fat,alpine", "falcon", "FLASK",
    "raw_asgi+uvicorn", "hello", "rate", "ramp", "50%", "0%", "1000%", "p99<50ms", "p00<0ms", "7m", "0s",
    "9" * 400 + "h", "512m", "1g", "3.13", "3.99.1", "127.0.0.1:5000", "user:secret@host", "http://127.0.0.1:1",
    "http://[::1", "http://h:99999", "../..", "/", ".", "~", "/dev/null", "/proc/self/mem", "/sys/x", "a" * 300,
    "a/" * 3000, "[/red]", "[bold]x", "{0}", "%s%n", "$(touch x)", "`touch x`", ";touch x", "||touch x", "&&touch x",
    "|tee x", ">x", "'", '"', "\\", "\n", "a\nb", "\t", "--help", "-h", "--seed=1", "-", "--", ",", ",,", "a,,b",
    "falcon,", "+", "@", ":", "falcon@", "falcon@./", "falcon:py9", "\u0661", "\u202e", "\udce9", "\x1b[31m",
    "e\u0301" * 50, "latest", "yes", "no", "1;2", "10mbit", "full,1gbit",
)  # fmt: skip
"""Values that are right somewhere, wrong everywhere, or mean something to a shell, a terminal or a parser."""
SAFE_EVENTS = frozenset({"open", "import", "compile", "exec", "os.listdir", "os.scandir", "glob.glob", "sys._getframe"})
DEEDS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.remove", "os.rename", "os.rmdir",
         "os.mkdir", "os.symlink", "os.truncate", "shutil.", "socket.connect", "socket.bind")  # fmt: skip
"""Audit events that must not occur."""
NO_ENGINE = "no-engine.sock"

watched: list[str] | None = None
"""The audit events since it was set; ``None`` while nobody looks."""


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if watched is None or (event in SAFE_EVENTS and not (event == "open" and _writes(arguments))):
        return
    if event == "socket.connect" and str(arguments[1]).endswith(NO_ENGINE):
        return
    if event == "open" or event.startswith(DEEDS):
        watched.append(f"{event} {arguments!r}"[:300])


def _writes(arguments: tuple[Any, ...]) -> bool:
    _, mode, flags = arguments
    return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)) or bool(set(mode or "") & set("wax+"))


class Begun(Exception):  # noqa: N818 -- no error
    """A command has taken all its values and would begin now."""


MEASURING = ("start", "follow", "build_generator", "require_wrk", "registry_pusher", "approve_cost", "approve_starts",
             "compare_runs")  # fmt: skip
"""Those of them that a command of an experiment uses to begin."""


@pytest.fixture(scope="module", autouse=True)
def _watching() -> None:
    sys.addaudithook(_audit)  # none is ever taken away; it does nothing while nobody looks


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[App]:
    """The whole command line, whose commands stop where they would begin, without an engine and without results."""

    def begin(*_: object, **__: object) -> None:
        raise Begun

    for module, names in (
        *((import_module(f"{package.__name__}.command"), MEASURING) for package in packages()),
        (web, ("hold_machine", "prepare", "open_web")),
        (results, ("publish_runs", "write_file", "write_site", "write_badge")),
        (outcome, ("write_files",)),
        (shares, ("read_sources",)),
        (survey, ("Survey",)),
        (profile, ("hold_machine", "both_candidates")),
        (candidates, ("find_interpreter",)),
        (catalog, ("upgrade", "outdated_in_lock", "new_framework", "conform_all")),
        (commands, ("build_images", "make_bases", "prepare", "conform_all", "require_writable", "observe_divergences",
                    "run_suite", "push_all", "registry_pusher", "clean", "approve_cost", "approve_open_ended_cost")),
    ):  # fmt: skip
        for name in names:
            if names is not MEASURING or hasattr(module, name):
                monkeypatch.setattr(module, name, begin)
    monkeypatch.setattr(locks, "lock", begin)
    client.engine.cache_clear()
    monkeypatch.setattr(store, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(results, "FigureIndex", functools.partial(FigureIndex, results=tmp_path / "results"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/{NO_ENGINE}")
    monkeypatch.chdir(tmp_path)
    made = command_line()
    known = option_names(made)
    options = {made[name].name: cli._options_of(made[name]) for name in made if not name.startswith("-")}
    pages = functools.cache(lambda: published_runs(PUBLISHED, load_prices()))
    monkeypatch.setattr(cli, "_sweep", lambda: None)
    monkeypatch.setattr(cli, "option_names", lambda _: known)  # it is asked for anew by every call
    monkeypatch.setattr(cli, "_options_of", lambda command: options[command.name])  # likewise
    monkeypatch.setattr(results, "published_runs", lambda *_: pages())
    signals = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield made
    for number, handler in signals.items():
        signal.signal(number, handler)


def _value(dice: random.Random) -> str:
    match dice.randrange(6):
        case 0:
            return "".join(dice.choices(string.printable.replace("\r", ""), k=dice.randrange(12)))
        case 1:
            return "".join(
                chr(dice.choice([dice.randrange(1, 0xD800), dice.randrange(0xE000, 0x110000)])) for _ in range(4)
            )
        case 2:
            return dice.choice(WORDS) + dice.choice(WORDS)
        case _:
            return dice.choice(WORDS)


def _try(app: App, count: int, seed: int, capsys: pytest.CaptureFixture[str]) -> dict[str, int]:
    """Give so many values; return how the commands ended. A traceback or a deed fails."""
    global watched  # noqa: PLW0603 -- an audit hook has no other way to be told
    options = {
        name: sorted(_options(app, name))
        for name in app
        if not name.startswith("-") and name not in {"records", "help"}
    }
    ends = {"begun": 0, "refused": 0, "carried out": 0}
    for number in range(count):
        dice = random.Random(f"{seed}/{number}")  # noqa: S311 -- no cryptography
        command = dice.choice(sorted(options))
        given = dice.sample(options[command], k=min(len(options[command]), dice.choice([1, 1, 1, 2, 3])))
        values = {name: _value(dice) for name in given}
        environment = by_make(values)
        watched = []
        try:
            status = run(app, [command], environment)
        except Begun:
            ends["begun"] += 1
        except BaseException as error:
            error.add_note(f"seed {seed}, example {number}: make {command} {values!r}")
            raise
        else:
            ends["refused" if status else "carried out"] += 1
        finally:
            done, watched = watched, None
            printed = capsys.readouterr()
        assert not done, f"example {number}: make {command} {values!r}"
        if printed.err.startswith("error: "):
            assert printed.err.count("\n") == 1, f"example {number}: make {command} {values!r}"
    return ends


def _options(app: App, name: str) -> set[str]:
    names = (option for argument in app[name].assemble_argument_collection() for option in argument.names)
    return {option[2:].upper().replace("-", "_") for option in names if option.startswith("--")}


@pytest.mark.usefixtures("untraced")
def test_a_few_hundred_values_begin_a_command_or_are_refused_in_one_line(
    app: App, capsys: pytest.CaptureFixture[str]
) -> None:
    ends = _try(app, FEW, 1, capsys)
    assert min(ends["begun"], ends["refused"]) >= FEW / 20


@pytest.mark.slow
@pytest.mark.parallel
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [2, 3])
@pytest.mark.long
def test_many_values_begin_a_command_or_are_refused_in_one_line(
    app: App, capsys: pytest.CaptureFixture[str], seed: int
) -> None:
    """Half of them at a time, so that two workers share them."""
    ends = _try(app, MANY, seed, capsys)
    assert min(ends["begun"], ends["refused"]) > MANY / 20
