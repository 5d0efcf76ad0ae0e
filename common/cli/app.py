"""How verbs are called: ``make VERB NAME=value`` or ``python -m ROOM VERB --name=value``; errors are one line."""

import os
import re
import signal
import sys
from typing import Annotated

import cyclopts
from cyclopts import App, Parameter, validators

from common.aws.settings import FargateSettings
from common.errors import BenchmarkError, UsageError

GIVEN = "MAKE_GIVEN"
"""The environment variable in which the Makefile names the variables that its user gave a value."""

Port = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=65535))]
"""A TCP port."""

OnFargate = Annotated[FargateSettings, Parameter(name="*")]
"""The variables that ``RUNTIME=fargate`` takes besides a verb's own."""

_INTERRUPTED = 130


def verbs(doc: str) -> App:
    """An empty set of verbs, for a room's ``__main__`` to fill."""
    return App(name="make", help=doc, result_action="return_value", version_flags=[])


def run(app: App) -> int:
    """Run the verb on the command line, with make's variables as its options; the exit status.

    ``TERM`` and ``HUP`` end it as Ctrl-C does: what was started is taken down first.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        app([*sys.argv[1:], *_make_options()], exit_on_error=False, print_error=False)
    except cyclopts.CycloptsError as error:
        return _fail(UsageError(_in_make_words(str(error))))
    except BenchmarkError as error:
        return _fail(error)
    except KeyboardInterrupt:
        return _INTERRUPTED
    return 0


def _fail(error: BenchmarkError) -> int:
    print(f"error: {error}", file=sys.stderr)  # noqa: T201 -- the one place where errors are printed
    return error.exit_status


def _make_options() -> list[str]:
    return [f"--{name.lower().replace('_', '-')}={os.environ[name]}" for name in os.environ.get(GIVEN, "").split()]


def _in_make_words(text: str) -> str:
    in_words = re.sub(r"--([a-z][a-z0-9-]*)", lambda found: f"{found[1].upper().replace('-', '_')}=", text)
    return " ".join(in_words.split())
