"""The table of divergences: what each stack does where the contract leaves it free, by request or property."""

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from common.catalog.servers import DEFAULTS
from common.catalog.sizes import Runtime
from common.catalog.stacks import Stack
from common.conformance.checking import SIZE
from common.conformance.divergences import probe
from common.console import live_progress
from common.errors import FailedError
from common.runtimes.candidates import Candidate
from common.runtimes.preparation import prepare_available

_HEAD = """\
# Divergences

What each stack does where the [contract](../common/contract/openapi.json) leaves it free. None of it is judged; it is
what an application meets that moves from one stack to another.

`make divergences FRAMEWORK=all OUT=docs/divergences.md` writes this page. A framework stands for itself on its default
server; `raw_wsgi` and `raw_asgi`, the floors, show the other servers. Every request is sent on a connection of its own
with `Connection: close`, except for HTTP/1.0 and for two requests at once. Observed in the {runtime} runtime on Python
{python}.
"""


def observe_divergences(candidates: Sequence[Candidate], console: Console) -> dict[str, dict[str, str]]:
    """Return the observations of each available candidate by its name, each from a fresh server."""
    runnable, _ = prepare_available(candidates, console)
    observed = {}
    with live_progress("divergences", len(runnable), console) as display:
        for candidate in runnable:
            display.start(candidate.name)
            observed[candidate.name] = _observe(candidate)
            display.done(candidate.name)
    return observed


def _observe(candidate: Candidate) -> dict[str, str]:
    try:
        with candidate.serve(SIZE, cores=sorted(os.sched_getaffinity(0)), inside=False) as running:
            return probe(running.url, candidate.app)
    except FailedError as error:
        return {"start": f"failed: {error}"}


def divergence_page(
    observed: Mapping[str, Mapping[str, str]], candidates: Mapping[str, Candidate], runtime: Runtime
) -> str:
    """Return the page in Markdown: per request or property what was observed, and of which stacks."""
    names = {name: _short(candidates[name].stack) for name in observed}
    python = ", ".join(dict.fromkeys(candidate.python_version for candidate in candidates.values()))
    sections = (
        f"## {_code(request)}\n\n{_rows(by_observation, names)}"
        for request, by_observation in by_request(observed).items()
    )
    return "\n".join((_HEAD.format(runtime=runtime, python=python), *sections))


def by_request(observed: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, list[str]]]:
    """Return by request or property, and by what was observed, the stacks of which it was; the commonest first."""
    grouped: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name, observations in sorted(observed.items()):
        for request, observation in observations.items():
            grouped[request][observation].append(name)
    return {
        request: dict(sorted(stacks.items(), key=lambda item: (-len(item[1]), item[0])))
        for request, stacks in grouped.items()
    }


def divergence_tables(observed: Mapping[str, Mapping[str, str]]) -> Table:
    """Return the same for a terminal."""
    table = Table("request or property", "observed", "stacks", title="divergences", title_justify="left")
    for request, stacks in by_request(observed).items():
        for number, (observation, names) in enumerate(stacks.items()):
            cells = (request if number == 0 else "", observation, ", ".join(names))
            table.add_row(*map(Text, cells))  # what a server sends must not be read as markup
        table.add_section()
    return table


def _short(stack: Stack) -> str:
    default = DEFAULTS[stack.framework.interface] == stack.server.name
    return stack.framework.name if default else stack.name


def _rows(by_observation: Mapping[str, Sequence[str]], names: Mapping[str, str]) -> str:
    return "".join(
        f"- {_code(observation)}: {_named(stacks, by_observation, names)}\n"
        for observation, stacks in by_observation.items()
    )


def _named(stacks: Sequence[str], by_observation: Mapping[str, Sequence[str]], names: Mapping[str, str]) -> str:
    """Return the stacks of a row by name; those of more than half of all as "all others", or "all"."""
    if 2 * len(stacks) <= sum(map(len, by_observation.values())):
        return ", ".join(names[stack] for stack in stacks)
    return "all" if len(by_observation) == 1 else "all others"


def _code(text: str) -> str:
    """Return text as inline code."""
    shown = text.replace("`", "'")
    return f"`{shown}`" if shown.strip() else "nothing"
