"""Commands that list what can be selected, add frameworks, and keep their locked versions current."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Annotated

from cyclopts import Parameter
from rich.table import Table

from common.catalog import inventory
from common.catalog.frameworks import Framework, Interface, frameworks
from common.catalog.new_framework import new_framework
from common.catalog.pythons import KNOWN_PYTHONS, Python, python_series
from common.catalog.stacks import DEFAULT, Image, images, select_frameworks
from common.cli.parameters import FRAMEWORK_FOLDERS, Format, StackParameters
from common.conformance.checking import conform_all, conformance_tables, require_conforming
from common.console import Terminal
from common.engine.bases import has_recipe, is_stand_in
from common.engine.client import engine, find_image
from common.errors import UsageError
from common.packages import locks
from common.packages.interpreters import Interpreter, installed_interpreters
from common.packages.releases import Change, outdated_in_lock, outdated_servers, record_release_dates, upgrade
from common.runtimes.candidates import parse_runtime, require_local
from common.tables import Form
from common.words import one_of


def list_(
    *,
    format: Format = "text",  # noqa: A002 -- its name
) -> None:
    """List frameworks, servers and images, and what is not available."""
    try:
        engine()
        missing = None
    except UsageError as error:
        missing = str(error)
    known = frameworks()
    terminal = Terminal(form=Form(format))
    if terminal.form is Form.JSON:
        terminal.write(inventory.as_json(known, missing) + "\n")
        return
    for part in inventory.as_tables(known, missing, today=datetime.now(UTC).date()).renderables:
        if isinstance(part, str) and terminal.form is not Form.TEXT:
            terminal.note(part)
        else:
            terminal.show(part)


def interpreters(
    *,
    format: Format = "text",  # noqa: A002 -- its name
) -> None:
    """List the Pythons that are here, as processes and in images, and how to get others."""
    found = installed_interpreters()
    terminal = Terminal(form=Form(format))
    if terminal.form is Form.JSON:
        rows = [{name: getattr(interpreter, name) for name in ("name", "path", "build")} for interpreter in found]
        terminal.write(json.dumps(rows, indent=1) + "\n")
        return
    terminal.show(_interpreter_table(found))


def _interpreter_table(found: Sequence[Interpreter]) -> Table:
    """Return a row for each Python that is installed, and for each well-known one that is not."""
    table = _list_table("PYTHON", "as a process", "build", "slim image")
    here = {python_series(interpreter.name) for interpreter in found}
    slim = images()["slim"]
    known = (str(Python.parse(name).interpreter) for name in KNOWN_PYTHONS)
    for name in dict.fromkeys((*known, *sorted(here))):
        image = _image_state(slim, name)
        for interpreter in (installed for installed in found if python_series(installed.name) == name):
            table.add_row(interpreter.name, interpreter.path, interpreter.build, image)
            image = ""
        if name not in here:
            table.add_row(name, f".venv/bin/uv python install {name}", "-", image)
    return table


def _image_state(image: Image, python: str) -> str:
    if (reason := image.unavailable(python, {})) is not None:
        return reason
    reference = image.base(python, {})
    try:
        present = find_image(reference) is not None
    except UsageError:
        return "no Docker engine answers"
    if present:
        return f"{reference}{' (a stand-in)' if is_stand_in(reference) else ''}"
    return f"make bases PYTHON={python} IMAGE={image.name}" if has_recipe(image, python) else f"docker pull {reference}"


def new(
    *,
    framework: Annotated[str, Parameter(help="Name of the new folder under frameworks/.")] = "",
    interface: Annotated[str, Parameter(help=f"How it is called: {', '.join(Interface)}.")] = "",
    distribution: Annotated[str, Parameter(help="Package to install. Default: the name of the folder.")] = "",
    title: Annotated[str, Parameter(help="Name as its makers write it. Default: the name given.")] = "",
) -> None:
    """Write the folder of a new framework, to be completed."""
    chosen = Interface(one_of(interface, Interface, variable="INTERFACE"))
    folder = new_framework(framework, chosen, distribution=distribution, title=title)
    terminal = Terminal()
    terminal.results.print(f"{folder}", soft_wrap=True)
    terminal.say(
        f"Write the app in {folder / 'app.py'}, then run make lock FRAMEWORK={folder.name} "
        f"and make conformance FRAMEWORK={folder.name}."
    )


def lock(*, framework: Annotated[str, Parameter(help=FRAMEWORK_FOLDERS)] = "all") -> None:
    """Pin each framework's packages and those of its servers, with hashes, in its folder."""
    terminal, known = Terminal(), frameworks()
    for name in select_frameworks(framework, known):
        with terminal.messages.status(f"locking {name}"):
            file = locks.lock(known[name])
            record_release_dates(known[name])
        terminal.results.print(f"{name}: {file}", soft_wrap=True)


def outdated(*, framework: Annotated[str, Parameter(help=FRAMEWORK_FOLDERS)] = DEFAULT) -> None:
    """Show which locked packages of frameworks and servers have a newer version that would fit."""
    terminal, known = Terminal(), frameworks()
    found: dict[str, tuple[Change, ...]] = {}
    texts = {name: locks.read_lock(known[name]) for name in select_frameworks(framework, known)}
    for name, text in texts.items():
        with terminal.messages.status(f"looking up the packages of {name}"):
            found[name] = _own_first(known[name], outdated_in_lock(known[name], text))
    found["servers"] = outdated_servers()
    terminal.results.print(_change_table(found, _release_dates(known)))
    terminal.say("make upgrade FRAMEWORK=... updates a lock; servers are pinned in common/catalog/servers.py.")


def upgrade_(
    *,
    framework: Annotated[str, Parameter(help=FRAMEWORK_FOLDERS)] = DEFAULT,
    runtime: Annotated[str, Parameter(help="Where conformance is checked: process, docker or auto.")] = "auto",
) -> None:
    """Lock frameworks at the newest versions, print what to compare and to note, and check conformance."""
    terminal, known, place = Terminal(), frameworks(), require_local(parse_runtime(runtime))
    before = {name: known[name].version for name in select_frameworks(framework, known)}
    dates = _release_dates(known)
    changed = upgrade([known[name] for name in before])
    terminal.results.print(
        _change_table({name: _own_first(known[name], some) for name, some in changed.items()}, dates)
    )
    touched = ",".join(name for name, some in changed.items() if some)
    if not touched:
        return
    for name, version in before.items():  # first, since conformance may end in an error and no lock changes again
        after = known[name].version
        if version not in (None, after):
            terminal.results.print(f"make compare A={name}@{version} B={name}", soft_wrap=True)
            terminal.results.print(f"CHANGELOG, Results affected: {known[name].title} {version} to {after}.")
    outcomes = conform_all(StackParameters(framework=touched).candidates(place), terminal.messages)
    terminal.results.print(conformance_tables(outcomes))
    require_conforming(outcomes)


def _own_first(framework: Framework, some: tuple[Change, ...]) -> tuple[Change, ...]:
    return tuple(sorted(some, key=lambda change: change.package != framework.distribution))


def _release_dates(known: Mapping[str, Framework]) -> dict[str, date]:
    """Return when the versions in all locks were released, by pins such as ``flask==3.1.3``."""
    return {pin: day for framework in known.values() for pin, day in framework.release_dates.items()}


def _change_table(changed: Mapping[str, tuple[Change, ...]], dates: Mapping[str, date]) -> Table:
    """Return a row per framework and package that differs, and one for each framework where nothing does."""
    table = _list_table("framework", "package", "locked", "released", "newest")
    for name, some in changed.items():
        for number, change in enumerate(some):
            day = dates.get(f"{change.package}=={change.before}")
            released = "-" if day is None else day.isoformat()
            named = name if number == 0 else ""
            table.add_row(named, change.package, change.before or "-", released, change.after or "-")
        if not some:
            table.add_row(name, "every package is at the newest version that fits", "", "", "")
    return table


def _list_table(*headings: str) -> Table:
    return Table(*headings, box=None, pad_edge=False, padding=(0, 3, 0, 0))
