"""The value of a server's settings, in requests per CPU-second: threads, event loop, access log.

``python -m tests.benchmarks.settings`` loads stacks as they are measured here beside copies with one setting changed,
and prints a table in Markdown. It takes about six minutes on a quiet machine.
"""

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from common.catalog.frameworks import frameworks
from common.catalog.servers import SERVERS
from common.tables import markdown_table
from loadtests.analysis.formatting import bounds, estimate
from loadtests.analysis.outcome import between
from tests.benchmarks.loading import load


def _as_it_is(app: str) -> str:
    return app


@dataclass(frozen=True, kw_only=True)
class Change:
    """One setting that is changed."""

    name: str
    """In words, for the table."""
    framework: str
    server: str
    line: Callable[[str], str] = _as_it_is
    """Changes the server's command line."""
    app: Callable[[str], str] = _as_it_is
    """Changes the app."""
    needs: tuple[str, ...] = ()

    def folder(self, place: Path, number: int) -> Path:
        """Make the folder of the changed stack, with the server as the framework's own, and return it."""
        framework, server = frameworks()[self.framework], SERVERS[self.server]
        line = self.line(framework.command or server.line).replace("{target}", framework.target)
        needs = (*framework.dependencies, *server.needs(framework.interface), *self.needs)
        folder = place / f"{self.framework}_{number}"
        folder.mkdir()
        (folder / "app.py").write_text(self.app((framework.folder / "app.py").read_text()))
        (folder / "pyproject.toml").write_text(
            f'[project]\nname = "{folder.name}"\nrequires-python = "{framework.requires_python}"\n'
            f"dependencies = {list(needs)}\n"
            f'[tool.stack]\ntitle = "{framework.title}, {self.name}"\ninterface = "native"\n'
            f'distribution = "{framework.distribution}"\ncommand = "{line}"\n'
        )
        return folder


def _threads(number: int) -> Callable[[str], str]:
    return lambda line: line.replace("{threads}", str(number))


def _gunicorn_log(line: str) -> str:
    return line.replace("{threads}", "16").replace("{target}", "--access-logfile=- {target}")


def _uvicorn_log(line: str) -> str:
    return line.replace("--no-access-log --log-level=warning ", "")


def _aiohttp_log(app: str) -> str:
    logged = app.replace(", access_log=None)", ")").replace("import asyncio\n", "import asyncio\nimport logging\n")
    return logged.replace("    host, port =", "    logging.basicConfig(level=logging.INFO)\n    host, port =")


def _aiohttp_uvloop(app: str) -> str:
    return app.replace("access_log=None)", "access_log=None, loop=uvloop.new_event_loop())").replace(
        "from aiohttp import web\n", "import uvloop\nfrom aiohttp import web\n"
    )


CHANGES = (
    *(
        Change(name=name, framework=framework, server="gunicorn-gthread", line=line)
        for framework in ("falcon", "flask")
        for name, line in (
            ("1 thread, Gunicorn's default, for 16", _threads(1)),
            ("4 threads for 16", _threads(4)),
            ("access log", _gunicorn_log),
        )
    ),
    Change(name="access log, Uvicorn's default", framework="starlette", server="uvicorn", line=_uvicorn_log),
    Change(name="access log", framework="aiohttp", server="native", app=_aiohttp_log),
    Change(
        name="uvloop for asyncio's loop", framework="aiohttp", server="native", app=_aiohttp_uvloop, needs=("uvloop",)
    ),
)


HEADINGS = ("stack", "changed", "of the usual rate", "95 % interval", "rounds")


def main() -> int:
    """Print the ratio of each changed stack to the one that is measured here."""
    with tempfile.TemporaryDirectory(prefix="settings-") as temporary:
        place = Path(temporary)
        folders = [change.folder(place, number) for number, change in enumerate(CHANGES, 1)]
        pairs = load([*dict.fromkeys(one.framework for one in CHANGES), *map(str, folders)], place)
    rows = []
    for change, folder in zip(CHANGES, folders, strict=True):
        usual = f"{change.framework}+{change.server}"
        pair = between(pairs, f"{folder.name}-local+native", usual)
        assert pair is not None
        assert pair.ratio is not None
        ratio = pair.ratio
        rows.append((usual, change.name, estimate(ratio, digits=2), bounds(ratio, digits=2), str(ratio.n)))
    sys.stdout.write(markdown_table(HEADINGS, rows, left={"stack", "changed"}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
