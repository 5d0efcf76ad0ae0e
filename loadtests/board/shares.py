"""How much of a request is the framework, as a table and in sentences. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from rich.table import Table

from common.catalog.stacks import make_command, variables_selecting
from common.records.share import Share
from common.records.summary import Interval
from loadtests.analysis.formatting import MISSING, US_PER_S, estimate, plain_table, with_bounds
from loadtests.scenarios.workloads import CLOSED, SCENARIOS

IN_WORDS: Mapping[str, str] = {name: SCENARIOS[name].in_words for name in CLOSED if SCENARIOS[name].in_words}
"""The scenarios whose requests are split into parts, with the words for one of their requests."""
PARTS = ("server us", "driver and JSON us", "framework and app us")
HEADINGS = ("stack", "us/request", *PARTS, "framework's share", "PostgreSQL us")
LEFT = frozenset({"stack", "scenario"})
NOT_COUNTED = "PostgreSQL's own time is not counted"


def by_scenario(shares: Sequence[Share]) -> dict[str, list[Share]]:
    """Return the shares of each scenario that is split: the cheapest scenario first, and the cheapest stack of each."""
    found = defaultdict[str, list[Share]](list)
    for share in sorted(shares, key=lambda share: share.cost_s.estimate):
        if share.scenario in IN_WORDS:
            found[share.scenario].append(share)
    return dict(found)


def title(scenario: str) -> str:
    """Return the title of what shows the parts of a scenario's requests."""
    words = IN_WORDS[scenario]
    return f"{words[0].upper()}{words[1:]}, in parts"


def table(shares: Sequence[Share]) -> Table:
    """Return a row for each scenario and stack."""
    lines = [(name, *cells(share)) for name, of in by_scenario(shares).items() for share in of]
    return plain_table("how much of a request is the framework", ("scenario", *HEADINGS), lines, left=LEFT)


def cells(share: Share) -> tuple[str, ...]:
    """Return the texts of a share, in the order of ``HEADINGS``."""
    return (
        share.cell if share.vcpu == 1 else f"{share.cell}, {share.vcpu:g} vCPU",
        estimate(share.cost_s, scale=US_PER_S, digits=1),
        *(with_bounds(part, scale=US_PER_S, digits=1) for part in (share.server_s, share.work_s, share.framework_s)),
        percentage(share),
        estimate(share.database_s, scale=US_PER_S, digits=1),
    )


def percentage(share: Share | None) -> str:
    """Return the framework's share with its interval, such as ``52 % (50 to 54)``; in brackets if it is in doubt."""
    if share is None or share.share is None:
        return MISSING
    return f"({_per_cent(share.share)})" if share.doubts else _per_cent(share.share)


def _per_cent(value: Interval) -> str:
    bounds = "" if value.low is None or value.high is None else f" ({value.low * 100:.0f} to {value.high * 100:.0f})"
    return f"{value.estimate * 100:.0f} %{bounds}"


def names(shares: Sequence[Share]) -> Callable[[Share], str]:
    """Return what sentences call stacks: by their frameworks, unless a framework is there on several."""
    cells_of = defaultdict[str, set[str]](set)
    for share in shares:
        cells_of[share.title].add(share.cell)
    return lambda share: share.title if len(cells_of[share.title]) == 1 else share.cell


def sentences(shares: Sequence[Share]) -> Iterator[str]:
    """Yield how much of a request is each framework, for each scenario and stack whose share is not in doubt."""
    name = names(shares)
    for of in by_scenario(shares).values():
        yield from (sentence(share, name(share)) for share in of if share.share is not None and not share.doubts)


def sentence(share: Share, name: str) -> str:
    """Return how much of a request is a framework of this name, in one sentence."""
    uncounted = "" if share.database_s is None else f"; {NOT_COUNTED}"
    return f"Of {IN_WORDS[share.scenario]}, {name} is {percentage(share)}{uncounted}."


def ranges(shares: Sequence[Share]) -> dict[str, str]:
    """Return between which shares the frameworks are, by scenario, as the main part of a sentence."""
    name, found = names(shares), dict[str, str]()
    for scenario, of in by_scenario(shares).items():
        if known := decided(of):
            ends = known[:1] + known[1:][-1:]
            said = " to ".join(f"{percentage(share)} with {name(share)}" for share in ends)
            found[scenario] = f"of {IN_WORDS[scenario]}, the framework is {said}"
    return found


def decided(shares: Sequence[Share]) -> list[Share]:
    """Return the shares that are known and not in doubt, the smallest first."""
    known = [(share.share.estimate, share) for share in shares if share.share is not None and not share.doubts]
    return [share for _, share in sorted(known, key=lambda pair: pair[0])]


def notes(shares: Sequence[Share]) -> Iterator[str]:
    """Yield what a reader must know besides the table, one sentence each."""
    yield "us: microseconds of the server's CPU time for a request, with 95 % intervals for other runs on this machine."
    yield "server: what a bare app on the same server takes for hello."
    yield "driver and JSON: what that app takes beyond it in the scenario, by the rates of two runs."
    yield "framework and app: what the stack takes beyond that app in the scenario, within rounds."
    yield "framework's share: the same as a part of the whole, by ratios within rounds."
    if any(share.database_s is not None for share in shares):
        yield "PostgreSQL: its own CPU time for the request, on other cores, which is no part of the whole."
    if alone := [share.cell for share in shares if share.floor is None]:
        yield f"without a bare app on the same server: {', '.join(dict.fromkeys(alone))}."
    if command := missing_hello(shares):
        yield f"to tell server from driver: {command}"
    doubts = [f"in brackets, in doubt: {verdict}: {seen}" for share in shares for verdict, seen in share.doubts.items()]
    yield from dict.fromkeys(doubts)
    yield from sentences(shares)


def missing_hello(shares: Sequence[Share]) -> str | None:
    """Return the command that loads the floors by ``hello`` where no load test of it was made alike."""
    lacking = [share.subject.stack for share in shares if share.floor == share.cell and share.server_s is None]
    return make_command("loadtest", variables_selecting(lacking)) if lacking else None
