"""The folder that ``make new`` writes for a framework: what its author fills in, and the table that declares it."""

import json
import re
import tempfile
from pathlib import Path

from packaging.utils import InvalidName, canonicalize_name

from common.catalog.frameworks import FRAMEWORKS, Interface, frameworks
from common.errors import UsageError
from common.words import canonical

RESERVED = ("all", "default")
LONGEST_NAME = 64
"""The words that ``FRAMEWORK=`` takes beside names."""

_PROJECT = """\
[project]
name = "stack-{dashed}"
version = "0"
requires-python = ">=3.11"
dependencies = ["{distribution}"]

[tool.stack]
title = {title}
interface = "{interface}"
distribution = "{distribution}"
"""
_COMMAND = 'command = "python app.py {host} {port}"\n'
_APP = """\
import {module}

from common.contract import HELLO, parse_delay, sleep_seconds, slept

# Write here what the manual of {title} would write for these routes:
#
# GET /hello           200 and HELLO as JSON
# GET /sleep/<delay>   delay_ms = parse_delay(delay); if that raises ValueError as error, 400 and
#                      {{"error": str(error)}} as JSON; otherwise {sleep}(sleep_seconds(delay_ms)),
#                      then 200 and slept(delay_ms) as JSON
#
# Other methods on these routes get 405 with "Allow: GET", other paths 404.
# {entry}
"""
_ENTRIES = {
    Interface.WSGI: "The server loads the WSGI application from the name app.",
    Interface.ASGI: "The server loads the ASGI application from the name app.",
    Interface.RSGI: "The server loads the RSGI application from the name app.",
    Interface.NATIVE: "python app.py HOST PORT runs the server until it is terminated.",
}


def new_framework(name: str, interface: Interface, *, distribution: str, title: str, root: Path = FRAMEWORKS) -> Path:
    """Write the folder of a framework, to be completed and locked, and return its path.

    ``distribution`` and ``title`` are the package's name and what its makers call it; empty for the folder's name.
    Raises ``UsageError`` if the name cannot be a folder's or is taken, or if one of these is invalid.
    """
    folder = root / _checked(name, root)
    dashed = folder.name.replace("_", "-")
    distribution = _checked_distribution(distribution or dashed)
    title = _checked_title(title or name.strip())
    project = _PROJECT.format(
        dashed=dashed,
        distribution=distribution,
        title=json.dumps(title, ensure_ascii=False),  # a string of TOML too, as long as all of it is printable
        interface=interface,
    )
    app = _APP.format(
        module="time" if interface is Interface.WSGI else "asyncio",
        title=title,
        sleep="time.sleep" if interface is Interface.WSGI else "await asyncio.sleep",
        entry=_ENTRIES[interface],
    )
    with tempfile.TemporaryDirectory(dir=root, prefix=".new-") as draft:  # so that half a folder is never a framework
        half = Path(draft) / folder.name
        half.mkdir()
        (half / "pyproject.toml").write_text(project + (_COMMAND if interface is Interface.NATIVE else ""))
        (half / "app.py").write_text(app)
        half.rename(folder)
    return folder


def _checked(name: str, root: Path) -> str:
    """Return the name of the folder: lower case, with ``_`` for ``-``."""
    spelled = canonical(name)
    if re.fullmatch(rf"[a-z][a-z0-9_]{{0,{LONGEST_NAME - 1}}}", spelled) is None or spelled in RESERVED:
        raise UsageError(
            f"invalid FRAMEWORK={name.strip() or '(empty)'}: must be at most {LONGEST_NAME} letters, digits, "
            f"- and _, the first a letter, and neither {' nor '.join(RESERVED)}."
        )
    if spelled in map(canonical, frameworks(root)) or (root / spelled).exists():
        raise UsageError(f"FRAMEWORK={name.strip()} exists already, in {root / spelled}.")
    return spelled


def _checked_distribution(text: str) -> str:
    """Return the name of a package, which has to be valid in a requirement."""
    try:
        canonicalize_name(text, validate=True)
    except InvalidName as error:
        raise UsageError(
            f"invalid DISTRIBUTION={text}: must be the name of a package, such as falcon, without a version."
        ) from error
    return text


def _checked_title(text: str) -> str:
    """Return a title, which has to stay on its line in both files."""
    if not text.isprintable():
        raise UsageError(f"invalid TITLE={text}: must be one line of printable characters.")
    return text
