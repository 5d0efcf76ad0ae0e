"""Every experiment, and every kind of record that one writes.

Experiments are imported by name, since they are built on this package.
"""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, Union

import msgspec

from common.records.load import Setup
from common.records.refusals import explain_choice
from common.records.run import Run
from common.records.schema import Visit, decode, invalid
from loadtests.campaign.experiment import Experiment
from loadtests.scenarios.workloads import scenario_names


@cache
def experiments() -> Mapping[type[Run], type[Experiment[Any, Any]]]:
    """Return every experiment by the type of its runs."""
    packages = import_module("loadtests.experiments").packages()
    kinds = [_experiment_in(import_module(f"{package.__name__}.experiment")) for package in packages]
    return {kind.run_type: kind for kind in kinds}


def _experiment_in(module: ModuleType) -> type[Experiment[Any, Any]]:
    (kind,) = (
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Experiment) and value.__module__ == module.__name__
    )
    return kind


def experiment_of(run: Run) -> Experiment[Any, Any]:
    """Return the experiment of a run."""
    return experiments()[type(run)](run)


def run_types() -> tuple[type[Run], ...]:
    """Return every kind of ``run.json``, told apart by its field ``experiment``."""
    return tuple(experiments())


def visit_types() -> tuple[type[Visit], ...]:
    """Return every kind of line in ``visits.jsonl``, told apart by its field ``kind``."""
    return tuple(dict.fromkeys(visit for kind in experiments().values() for visit in kind.visit_types))


def summary_types() -> Mapping[type[msgspec.Struct], list[str]]:
    """Return every kind of ``summary.json``, with the commands whose runs end in it."""
    found: dict[type[msgspec.Struct], list[str]] = {}
    for kind in experiments().values():
        found.setdefault(kind.summary_type, []).append(kind.command)
    return found


def decode_run(text: bytes, *, source: str) -> Run:
    """Return the manifest in ``text``; ``UsageError`` names ``source``, what is wrong and what is accepted."""
    run: Run = decode(text, Union[run_types()], what="run", source=source)  # noqa: UP007 -- types that are found
    setup: Setup | None = getattr(run, "setup", None)
    if setup is not None and setup.load.scenario not in (accepted := scenario_names(setup.load)):
        problem = explain_choice("setup.load.scenario", setup.load.scenario, accepted)
        raise invalid("run", source, problem)
    return run


def decode_visit(line: bytes, *, source: str) -> Visit:
    """Return the visit in a line; ``UsageError`` names ``source``, what is wrong and what is accepted."""
    visit: Visit = decode(line, _any_visit(), what="visit", source=source)
    return visit


@cache
def _any_visit() -> Any:  # noqa: ANN401 -- a union of types
    return Union[visit_types()]  # noqa: UP007 -- types that are found
