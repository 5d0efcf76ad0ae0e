"""The project's command line."""

import sys
from collections.abc import Mapping

from cyclopts import App, Group

from common.cli.app import new_app, run

DESCRIPTION = """Benchmark Python API frameworks on this machine.

Names match whatever their case, - or _; several are joined by commas. Every option is a variable for make:
`make loadtest FRAMEWORK=falcon` is `api-benchmark loadtest --framework=falcon`. `--verbose` logs what is run.
"""
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "Look around": (
        "common.cli.catalog:list_",
        "common.cli.catalog:new",
        "common.cli.catalog:lock",
        "common.cli.catalog:outdated",
        "common.cli.catalog:upgrade_",
    ),
    "Build": (
        "common.cli.commands:build",
        "common.cli.commands:sbom",
        "common.cli.commands:bases",
        "common.cli.commands:push",
    ),
    "Run": (
        "common.cli.commands:serve",
        "common.cli.commands:conformance",
        "common.cli.commands:divergences",
        "common.cli.commands:fargate_clean",
    ),
    "Measure": (
        "loadtests.cli.throughput:loadtest",
        "loadtests.cli.throughput:compare",
        "loadtests.cli.measuring:latency",
        "loadtests.cli.measuring:workers_",
        "loadtests.cli.measuring:causes",
        "loadtests.cli.measuring:startup",
        "loadtests.cli.measuring:memory",
        "loadtests.cli.measuring:sizes",
        "loadtests.cli.measuring:web",
        "loadtests.cli.throughput:history",
        "loadtests.cli.profile:profile",
        "loadtests.cli.survey:survey",
    ),
    "Measure on AWS Fargate": ("loadtests.cli.measuring:experiment",),
    "Results": (
        "loadtests.cli.results:show",
        "loadtests.cli.results:report",
        "loadtests.cli.results:money",
        "loadtests.cli.results:publish",
        "loadtests.cli.results:site",
        "loadtests.cli.results:badge",
    ),
    "Maintenance": ("loadtests.cli.results:records",),
    "Load generator": (
        "loadtests.cli.generator:crosscheck",
        "loadtests.cli.generator:bench_generator",
        "loadtests.cli.generator:master",
        "loadtests.cli.generator:worker",
        "loadtests.cli.generator:generator",
    ),
}
"""Where each command is defined, grouped as on the help page.

A module is imported only when one of its commands is called: importing them all takes longer than most commands.
"""


def command_line() -> App:
    """Return the command line with all commands."""
    app = new_app(DESCRIPTION)
    for title, functions in COMMANDS.items():
        group = Group.create_ordered(title)
        for function in functions:
            _, _, name = function.partition(":")
            app.command(function, name=name.rstrip("_").replace("_", "-"), group=group)
    app.command("loadtests.cli.help_page:help_", name="help", show=False)
    return app


def main() -> int:
    """Run the command on the command line; return the exit status."""
    return run(command_line(), sys.argv[1:])
