"""The Pythons that are installed on this machine: on PATH, by pyenv, uv or conda, each with how it was built."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path

import msgspec
from msgspec import Struct

from common.catalog.pythons import KNOWN_PYTHONS, Python, python_place
from common.errors import UsageError
from common.host.machine import python_optimisations
from common.parallel import each_finished

TIMEOUT_S = 30
PYENV, UV = Path("~/.pyenv"), Path("~/.local/share/uv/python")
"""The folders of pyenv and uv, unless ``PYENV_ROOT`` and ``UV_PYTHON_INSTALL_DIR`` say otherwise."""
CONDAS = ("~/miniconda3", "~/anaconda3", "~/miniforge3", "/opt/conda")
"""Where conda is installed, unless ``CONDA_EXE`` says otherwise."""
_DESCRIBE = """
import json, os, platform, sys, sysconfig
pypy = platform.python_implementation() == "PyPy"
get = sysconfig.get_config_var
jit = getattr(sys, "_jit", None)
print(json.dumps({
    "name": "pypy" * pypy + platform.python_version().rstrip("+") + "t" * bool(get("Py_GIL_DISABLED")),
    "path": os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable),
    "variables": {name: get(name) for name in ("CONFIG_ARGS", "PGO_PROF_USE_FLAG")},
    "jit": pypy or (jit is not None and jit.is_available()),
}))
"""


class Interpreter(Struct, frozen=True, kw_only=True):
    """A Python that is installed here, as it describes itself."""

    name: str
    """Its version in full: 3.12.1, 3.14.0t, pypy3.11.13."""
    path: str
    """The program itself, not a link or the Python of a virtual environment."""
    variables: dict[str, str | None]
    """The variables of ``sysconfig`` that tell how it was optimised."""
    jit: bool
    """Whether it has a JIT."""

    @property
    def build(self) -> str:
        """What is known of its build, in words."""
        python = Python.parse(self.name)
        if python.pypy:
            return "JIT"
        pgo, lto = python_optimisations(self.variables)
        known = {"PGO": pgo, "LTO": lto}
        named = ["no GIL"] * python.free_threaded
        named += [trait if present else f"no {trait}" for trait, present in known.items() if present is not None]
        named += ["JIT (off unless +jit is named)"] * self.jit
        return ", ".join([*named, "PGO and LTO unknown"] if None in known.values() else named)


@cache
def find_interpreter(version: str) -> Path:
    """Return a Python of this version; ``UsageError`` says where none was found."""
    asked = Python.parse(version).interpreter
    for path in _named(asked):
        if _is_a(path, asked):
            return path
    raise UsageError(
        f"Python {version} is not installed here: it is neither on PATH nor among those of pyenv ({_pyenv()}), uv "
        f"({_uv()}) and conda. Install it, or use RUNTIME=docker with an image; make interpreters lists what is here."
    )


def installed_interpreters() -> list[Interpreter]:
    """Return every Python that ``find_interpreter`` can find, each once, by implementation and version."""
    found = {}
    for _, interpreter in each_finished(_described, list(dict.fromkeys(_all())), at_once=os.cpu_count() or 1):
        if interpreter is not None:
            found[interpreter.path] = interpreter
    return sorted(found.values(), key=_order)


def installed_pythons() -> list[str]:
    """Return those of the known Pythons that are installed here; one with its JIT on needs a build that has one."""
    found = [(Python.parse(interpreter.name), interpreter.jit) for interpreter in installed_interpreters()]
    return [
        name
        for name in KNOWN_PYTHONS
        for asked in [Python.parse(name)]
        if any(interpreter.is_a(asked.interpreter) and (has_jit or not asked.jit) for interpreter, has_jit in found)
    ]


def version_of(interpreter: Path) -> str:
    """Return an interpreter's version in full, such as 3.12.1, 3.14.0t or pypy3.11.13.

    ``OSError`` or ``SubprocessError`` if it does not run.
    """
    return _describe(interpreter).name


def printed_by(python: Path, code: str) -> str:
    """Return what a Python prints when it runs ``code``; ``OSError`` or ``SubprocessError`` if it fails."""
    line = [str(python), "-c", code]
    done = subprocess.run(line, capture_output=True, text=True, check=True, timeout=TIMEOUT_S)
    return done.stdout.strip()


def _describe(path: Path) -> Interpreter:
    return msgspec.json.decode(printed_by(path, _DESCRIBE), type=Interpreter)


def _described(path: Path) -> Interpreter | None:
    """Return what a Python says of itself; ``None`` for a shim that runs nothing, or a Python that is too old."""
    try:
        interpreter = _describe(path)
        Python.parse(interpreter.name)
    except (OSError, subprocess.SubprocessError, msgspec.DecodeError, UsageError):
        return None
    return interpreter


def _is_a(path: Path, asked: Python) -> bool:
    interpreter = _described(path)
    return interpreter is not None and Python.parse(interpreter.name).is_a(asked)


def _order(interpreter: Interpreter) -> tuple[tuple[object, ...], str]:
    return python_place(interpreter.name), interpreter.path


def _named(asked: Python) -> Iterator[Path]:
    """Yield the programs whose names fit the Python asked for, those on PATH first."""
    for name in (str(asked.series) if asked.pypy else f"python{asked.series}", "python3", "python"):
        if path := shutil.which(name):
            yield Path(path)
    yield from sorted(_pyenv().glob(f"{'pypy' * asked.pypy}{asked.numbers}*/bin/python"), reverse=True)
    yield from sorted(_uv().glob(f"{'pypy' if asked.pypy else 'cpython'}-{asked.numbers}*/bin/python"), reverse=True)
    yield from _conda()


def _all() -> Iterator[Path]:
    folders = [Path(folder) for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder]
    on_path = chain.from_iterable((*folder.glob("python3*"), *folder.glob("pypy3*")) for folder in folders)
    yield from (path for path in on_path if os.access(path, os.X_OK) and not path.name.endswith(("-config", ".py")))
    yield from chain(_pyenv().glob("*/bin/python"), _uv().glob("*/bin/python"), _conda())


def _pyenv() -> Path:
    return Path(os.environ.get("PYENV_ROOT") or PYENV).expanduser() / "versions"


def _uv() -> Path:
    return Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or UV).expanduser()


def _conda() -> Iterator[Path]:
    named = os.environ.get("CONDA_EXE")
    roots = [Path(named).parent.parent] if named else [Path(root).expanduser() for root in CONDAS]
    for root in roots:
        yield from chain(root.glob("bin/python"), root.glob("envs/*/bin/python"))
