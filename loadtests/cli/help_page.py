"""``make help``: the commands as make calls them, generated from the declarations of the command line."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import fields
from typing import Annotated

from cyclopts import App, Argument, Parameter
from rich.console import Group as Lines
from rich.table import Table
from rich.text import Text

from common.cli.parameters import NO_FARGATE
from common.console import Terminal
from common.project import ROOT
from common.words import one_of
from loadtests.__main__ import command_line

INTRODUCTION = (
    "make COMMAND [NAME=value ...]; names match whatever their case, - or _; several are joined by commas.\n"
    "make help COMMAND=loadtest explains every variable. VERBOSE=1 logs what is run.\n"
)
MAKEFILE = ROOT / "Makefile"


def help_(*, command: Annotated[str | None, Parameter(help="The command to explain.")] = None) -> None:
    """Print the commands, or explain one."""
    terminal, app = Terminal(), command_line()
    if command is None:
        terminal.results.print(overview(app))
    else:
        names = [name for name in app if not name.startswith("-")]
        terminal.results.print(explanation(app, one_of(command, names, variable="COMMAND")))


def overview(app: App) -> Lines:
    """Return every command with its first sentence and its variables, by group; then what the Makefile adds."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in app:
        command = app[name]
        if not name.startswith("-") and command.show:
            groups[_group(command)].append(name)
    parts = [Text(INTRODUCTION)]
    for group, names in groups.items():
        parts += [Text(group, style="bold"), *(_entry(app[name], name) for name in names), Text("")]
    parts.append(Text("Development", style="bold"))
    parts += [Text(f"  {name:<16} {sentence}") for name, sentence in makefile_goals()]
    return Lines(*parts)


def explanation(app: App, name: str) -> Lines:
    """Return one command with every variable, its default, units and accepted values."""
    table = Table(box=None, padding=(0, 2, 0, 2), show_header=False)
    for argument in arguments_of(app[name]):
        table.add_row(_variable(argument), Text(argument.parameter.help or ""))
    return Lines(Text(f"make {name}: {_sentence(app[name])}\n"), table)


def arguments_of(command: App) -> list[Argument]:
    """Return the arguments of a command that a user can set, with groups expanded."""
    return [argument for argument in command.assemble_argument_collection() if argument.show]


def makefile_goals() -> Iterator[tuple[str, str]]:
    """Yield the goals that the Makefile itself documents, each with its sentence."""
    for line in MAKEFILE.read_text().splitlines():
        if found := re.match(r"([a-z-]+):.*## (.*)", line):
            yield found[1], found[2]


def _entry(command: App, name: str) -> Text:
    arguments = arguments_of(command)
    on_fargate = {argument.field_info.name for argument in arguments} >= _FARGATE
    own = [argument for argument in arguments if not (on_fargate and argument.field_info.name in _FARGATE)]
    lines = [f"  {name:<16} {_sentence(command)}", *_wrapped(" ".join(map(_variable, own)))]
    return Text("\n".join([*lines, *(_wrapped("and those of RUNTIME=fargate") if on_fargate else ())]))


def _group(command: App) -> str:
    group = command.group[0] if isinstance(command.group, tuple) else command.group
    return group if isinstance(group, str) else group.name


def _wrapped(text: str, width: int = 110) -> Iterator[str]:
    line = ""
    for word in text.split(" ") if text else ():
        if line and len(line) + len(word) >= width:
            yield f"{'':<19}{line}"
            line = ""
        line = f"{line} {word}".strip()
    if line:
        yield f"{'':<19}{line}"


def _sentence(command: App) -> str:
    return (command.help or "").strip().splitlines()[0].removesuffix(".")


def _variable(argument: Argument) -> str:
    default = argument.field_info.default
    text = "" if default in {None, argument.field_info.empty} else _value(default)
    return f"{argument.name.removeprefix('--').upper().replace('-', '_')}={text}"


def _value(default: object) -> str:
    """Return a default as a user would write it."""
    if isinstance(default, bool):
        return str(int(default))
    return f"{default:g}" if isinstance(default, float) else str(default)


_FARGATE = frozenset(field.name for field in fields(NO_FARGATE))
