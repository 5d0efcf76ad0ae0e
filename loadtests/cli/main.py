"""The project's command line."""

import sys

from cyclopts import App

from common.cli import catalog, commands
from common.cli.app import new_app, run
from loadtests.cli import generator, help_page, history, measuring, profile, results, survey

DESCRIPTION = """Benchmark Python API frameworks on this machine.

Names match whatever their case, - or _; several are joined by commas. Every option is a variable for make:
`make loadtest FRAMEWORK=falcon` is `api-benchmark loadtest --framework=falcon`. `--verbose` logs what is run.
"""


def command_line() -> App:
    """Return the command line with all commands."""
    app = new_app(DESCRIPTION)
    for part in (catalog, commands, measuring, history, profile, survey, results, generator, help_page):
        part.register(app)
    return app


def main() -> int:
    """Run the command on the command line; return the exit status."""
    return run(command_line(), sys.argv[1:])
