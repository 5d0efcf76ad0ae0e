"""``python -m loadtests``: the command line of the project, with every command."""

import sys
from collections.abc import Iterator, Mapping

from cyclopts import App, Group

from common.cli.app import new_app, run
from common.cli.streams import prepare_streams
from loadtests.experiments import packages

DESCRIPTION = """Benchmark Python API frameworks on this machine.

Names match whatever their case, - or _; several are joined by commas. Every option is a variable for make:
`make loadtest FRAMEWORK=falcon` is `api-benchmark loadtest --framework=falcon`. `--verbose` logs what is run.
"""
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "Look around": (
        "common.cli.catalog:list_",
        "common.cli.catalog:interpreters",
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
        "loadtests.cli.web:web",
        "loadtests.cli.bisect:bisect",
        "loadtests.cli.profile:profile",
        "loadtests.cli.survey:survey",
    ),
    "Measure on AWS Fargate": (),
    "Results": (
        "loadtests.cli.outcome:outcome",
        "loadtests.cli.results:show",
        "loadtests.cli.results:report",
        "loadtests.cli.shares:shares",
        "loadtests.cli.results:money",
        "loadtests.cli.plan:plan",
        "loadtests.cli.results:publish",
        "loadtests.cli.results:site",
        "loadtests.cli.results:badge",
        "loadtests.cli.bundles:bundle",
        "loadtests.cli.bundles:verify",
        "loadtests.cli.bundles:import_",
    ),
    "Maintenance": ("loadtests.cli.results:records",),
    "Load generator": (),
}
"""The commands that belong to no experiment, by their group on the help page, where those of experiments come first."""


def commands() -> Iterator[tuple[str, str]]:
    """Yield the group of each command and where it is defined, in the order of the help page.

    A command's module is imported only when it is called: importing them all takes longer than most commands.
    """
    for group, own in COMMANDS.items():
        for package in packages():
            if group == package.GROUP:
                yield from ((group, f"{package.__name__}.command:{name}") for name in package.COMMANDS)
        yield from ((group, function) for function in own)


def command_line() -> App:
    """Return the command line with all commands."""
    app = new_app(DESCRIPTION)
    groups = {title: Group.create_ordered(title) for title in COMMANDS}
    for title, function in commands():
        name = function.partition(":")[2].rstrip("_").replace("_", "-")
        app.command(function, name=name, group=groups[title])
    app.command("loadtests.cli.help_page:help_", name="help", show=False)
    return app


def main() -> int:
    """Run the command on the command line; return the exit status."""
    prepare_streams()
    return run(command_line(), sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
