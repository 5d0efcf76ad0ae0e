"""One folder per experiment, and nothing else to edit: commands, help, store and reports find it.

``experiment.py`` holds the one class derived from ``Experiment``, and ``command.py`` the functions that ``COMMANDS`` in
the folder's ``__init__.py`` names; ``GROUP`` and ``PLACE`` are their heading on the help page and the place below it.
By convention, ``records.py`` holds the records, ``visit.py`` what is measured, and ``report.py`` the summary, figures
and tables.
"""

import pkgutil
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from types import ModuleType

ENTRY_POINTS = "api_framework_benchmark.experiments"
"""The group of entry points by which packages that are installed beside this project add experiments of their own."""


@cache
def packages() -> tuple[ModuleType, ...]:
    """Return the package of each experiment, in the order of the help page."""
    found = [import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    found += [point.load() for point in entry_points(group=ENTRY_POINTS)]
    return tuple(sorted(found, key=lambda package: (package.PLACE, package.__name__)))
