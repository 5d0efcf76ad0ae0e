"""One command line, which make calls and which works alone; errors are one line, in the words of the caller.

``make loadtest VCPU=2`` and ``api-benchmark loadtest --vcpu=2`` are the same command. The Makefile passes the variables
that its user gave a value in ``MAKE_GIVEN``, quoted as make quotes them for a make that it starts. Neither make nor a
shell has expanded them: a value is never evaluated.
"""

import errno
import logging
import os
import re
import shlex
import signal
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, get_args

import cyclopts
from cyclopts import App, Parameter, Token
from rich.logging import RichHandler
from rich.traceback import Traceback

from common.console import Terminal, callers_words
from common.engine.client import engine_failure_named
from common.engine.ownership import remove_orphaned_resources
from common.errors import BenchmarkError, FailedError, UsageError
from common.host.folders import remove_orphaned_folders
from common.host.network import remove_orphaned_namespaces
from common.words import parse_decimal, parse_whole

PROGRAM = "api-benchmark"
GIVEN = "MAKE_GIVEN"
"""The environment variable in which the Makefile passes the variables that its user gave a value."""
VERBOSE = "verbose"
READ_FROM_ENVIRONMENT = frozenset({"BASE", "BASE_REGISTRY"})
"""Variables of commands that are also read from the environment, where a build's settings are usually kept."""
ON, OFF = frozenset({"", "1", "yes", "y", "true", "t"}), frozenset({"0", "no", "n", "false", "f"})
"""The values of ``--verbose``, in any capitalisation: those that every switch accepts, and the empty one."""

_INTERRUPTED = 130
_OF_FILES = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EBADF, errno.ENAMETOOLONG,
     errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.EMFILE, errno.ENFILE}
)  # fmt: skip
"""The errors of a file or a disk, which are not ours."""
_QUOTED_WORD = re.compile(r"(?:\\.|[^ \\])+", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBERS: Mapping[type, Callable[[str], float]] = {int: parse_whole, float: parse_decimal}
_LOG = logging.getLogger(__name__)


def new_app(description: str) -> App:
    """Return a command line without commands."""
    return App(
        name=PROGRAM,
        help=description,
        result_action="return_value",
        version_flags=[],
        suppress_keyboard_interrupt=False,
        default_parameter=Parameter(converter=_convert),
    )


def run(app: App, arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> int:
    """Run the command that the arguments name, with make's variables as its options; return the exit status.

    ``TERM`` and ``HUP`` end it as Ctrl-C does: what was started is taken down first.
    """
    terminate_like_ctrl_c()
    by_make = GIVEN in environment
    given = parse_given(environment.get(GIVEN, ""))
    is_option = _is_option(app, arguments, given)
    callers_words.set(lambda text: in_callers_words(text, is_option, by_make=by_make))
    verbose = False
    try:
        line = [*arguments, *_make_options(given)]
        if by_make:
            _say_what_is_ignored(app, arguments, environment, given)
        line, verbose = _without_verbose([f"--{VERBOSE}={environment.get('VERBOSE') or '0'}", *line])
        if verbose:
            _log_to_standard_error()
        with engine_failure_named(), _file_errors_named():
            _sweep()
            app(line, exit_on_error=False, print_error=False)
    except cyclopts.MissingArgumentError as error:
        return _fail(_not_set(error), verbose=verbose)
    except cyclopts.CycloptsError as error:
        return _fail(UsageError(" ".join(str(error).split())), verbose=verbose)
    except BenchmarkError as error:
        return _fail(error, verbose=verbose)
    except BrokenPipeError:
        _drop_output()
        return 0  # whoever reads has seen enough, as with make list | head
    except KeyboardInterrupt:
        return _INTERRUPTED
    return 0


@contextmanager
def _file_errors_named() -> Iterator[None]:
    """Turn the system's error about a file into a ``FailedError`` that names the file."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.errno not in _OF_FILES:
            raise
        if not error.filename:  # so it is the output
            _drop_output()
        place = error.filename or "the standard output"
        reason = f"{place} cannot be used: {error.strerror}. Mend that, then run the command again."
        raise FailedError(reason) from error


def _drop_output() -> None:
    """Discard what is still buffered for a closed standard output, now and when Python exits."""
    with suppress(OSError, ValueError), Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _sweep() -> None:
    """Remove what killed commands have left behind."""
    remove_orphaned_folders()
    remove_orphaned_resources()
    remove_orphaned_namespaces()


def terminate_like_ctrl_c() -> None:
    """Have ``TERM`` and ``HUP`` raise ``KeyboardInterrupt``, unless they are ignored, as ``HUP`` is under nohup."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


def in_callers_words(text: str, is_option: Callable[[str], bool], *, by_make: bool) -> str:
    """Return a message that names options as ``NAME=value`` for make, as ``--name=value`` for anyone else."""
    if by_make:
        known = re.sub(
            r"--([a-z][a-z0-9-]*)=?", lambda found: f"{_variable(found[1])}=" if is_option(found[1]) else found[0], text
        )
        return re.sub(rf"\b{PROGRAM} ([a-z])", r"make \1", known)
    options = re.sub(
        r"\b([A-Z][A-Z0-9_]*)=", lambda found: f"--{name}=" if is_option(name := _option(found[1])) else found[0], text
    )
    return re.sub(r"\bmake (?=[a-z])", f"{PROGRAM} ", options)


def option_names(app: App) -> frozenset[str]:
    """Return the names of all options of all commands, as ``max-dollars``."""
    return frozenset(option for name in app if not name.startswith("-") for option in _options_of(app[name]))


def parse_given(text: str) -> dict[str, str]:
    """Return the values of variables, by name, in words ``NAME=value`` or ``NAME:=value`` that make has quoted.

    Make puts a backslash before blanks and backslashes, and doubles ``$``.
    """
    words = (re.sub(r"\\(.)", r"\1", word, flags=re.DOTALL).replace("$$", "$") for word in _QUOTED_WORD.findall(text))
    pairs = (word.partition("=") for word in words)
    return {name.removesuffix(":"): value for name, _, value in pairs}


def _is_option(app: App, arguments: Sequence[str], given: Collection[str]) -> Callable[[str], bool]:
    """Return a function that says whether a name, as ``max-dollars``, is an option of any command.

    It asks the command that is called first, since importing all takes a second.
    """
    named = {VERBOSE, *map(_option, given)}
    own = cache(lambda: _options_of(app[arguments[0]]) if arguments and arguments[0] in app else frozenset[str]())
    every = cache(lambda: option_names(app))
    return lambda name: name in named or name in own() or name in every()


def _options_of(command: App) -> frozenset[str]:
    """Return the names of a command's options."""
    arguments = (argument for argument in command.assemble_argument_collection() if argument.parse)
    names = (name for argument in arguments for name in argument.names)
    return frozenset(name[2:] for name in names if name.startswith("--"))


def _convert(hint: Any, tokens: Sequence[Token]) -> Any:  # noqa: ANN401 -- as cyclopts calls it
    """Convert as cyclopts does, except that numbers must be plain decimals: no ``0x10``, ``1_0``, or 1.5 for 1."""
    for kind, parse in _NUMBERS.items():
        if kind is hint or kind in get_args(hint):
            return parse(tokens[0].value)
    return cyclopts.convert(hint, tokens)


def _variable(option: str) -> str:
    return option.upper().replace("-", "_")


def _option(variable: str) -> str:
    return variable.lower().replace("_", "-")


def _not_set(error: cyclopts.MissingArgumentError) -> UsageError:
    """Return the error for a required option that was not given, worded like our other errors."""
    assert error.argument is not None
    return UsageError(f"{error.argument.name} is not set; make {' '.join(error.command_chain or ())} needs it.")


def _fail(error: BenchmarkError, *, verbose: bool) -> int:
    terminal = Terminal()
    if verbose:
        terminal.messages.print(Traceback.from_exception(type(error), error, error.__traceback__))
    terminal.say(f"error: {error}")
    return error.exit_status


def _make_options(given: Mapping[str, str]) -> list[str]:
    if odd := [name for name in given if _NAME.fullmatch(name) is None]:
        raise UsageError(f"{odd[0]}= is no variable of make's commands: names have letters, digits and _ only.")
    return [f"--{_option(name)}={value}" for name, value in given.items()]


def _say_what_is_ignored(
    app: App, arguments: Sequence[str], environment: Mapping[str, str], given: Collection[str]
) -> None:
    """Name the command's variables that stand in the environment, where they may mean something to other programs."""
    if not arguments or arguments[0] not in app:
        return
    known = {*given, *READ_FROM_ENVIRONMENT}
    names = sorted(map(_variable, _options_of(app[arguments[0]])))
    if ignored := [name for name in names if name in environment and name not in known]:
        named = ", ".join(f"{name}=" for name in ignored)  # not their values, which may be other programs' secrets
        Terminal().say(f"{named} in the environment is ignored. To set it: make {arguments[0]} {ignored[0]}=...")


def _without_verbose(line: Sequence[str]) -> tuple[list[str], bool]:
    """Return the line without ``--verbose``, and whether it was on."""
    left, verbose = list[str](), False
    for word in line:
        option, _, value = word.partition("=")
        if option != f"--{VERBOSE}":
            left.append(word)
        elif value.casefold() in ON | OFF:
            verbose = value.casefold() in ON
        else:
            raise UsageError(f"invalid VERBOSE={value}: must be 1 or 0.")
    return left, verbose


def _log_to_standard_error() -> None:
    """Log our own messages, every program that is run, and every request to the Docker engine."""
    handler = RichHandler(console=Terminal().messages, show_path=False, markup=False)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler])
    for name in ("common", "loadtests", "urllib3.connectionpool"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    sys.addaudithook(_log_programs)


def _log_programs(event: str, arguments: tuple[object, ...]) -> None:
    if event == "subprocess.Popen":
        line = arguments[1]
        _LOG.debug("run %s", shlex.join(map(str, line)) if isinstance(line, list | tuple) else line)


def parse_jobs(makeflags: str) -> int:
    """Return how many jobs ``make -j`` asked for, by ``MAKEFLAGS``: as many as cores for ``-j`` alone, 1 without."""
    flags, _, _ = makeflags.partition(" -- ")  # make escapes blanks within words, and nothing else
    found = re.search(r"(?<!\S)(?<!\\ )-j(\d*)(?!\S)", flags)
    if found is None:
        return 1
    return int(found[1]) if found[1] else len(os.sched_getaffinity(0))
