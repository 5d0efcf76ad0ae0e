"""The answer in words, from what the load test decided and never from how far apart two estimates are. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from common.records.run import CompareRun
from common.records.summary import Controls, Decision, Pair, Summary, Verdict
from common.words import counted
from loadtests.analysis import machines, outcome
from loadtests.analysis.comparison import better_of
from loadtests.analysis.verdicts import is_compared
from loadtests.board.bill import DEFAULT_UTILISATION, SCENARIO
from loadtests.board.columns import BY_KEY
from loadtests.board.rows import Row
from loadtests.board.shares import NOT_COUNTED, ranges
from loadtests.page.model import Page, decided_pairs
from loadtests.page.sources import JoinedLoadTest

OF_COPIES = {
    Decision.EQUIVALENT: "are equivalent",
    Decision.UNDECIDED: "cannot be distinguished",
    Decision.DIFFERENT: "differ by no more than chance explains",
}
NO_LOAD_TEST = "No load test is among these runs: make loadtest."
NAMED = 6
"""The most stacks that a sentence names; it counts the rest."""


@dataclass(frozen=True, kw_only=True)
class Paragraph:
    """A question and the sentences that answer it."""

    question: str
    sentences: Sequence[str]


def answer(page: Page) -> list[Paragraph]:
    """Return who leads, what cannot be distinguished, what a vCPU carries and costs, and whether to trust it."""
    test, compared = page.test, Paragraph(question="What did comparisons decide?", sentences=_compared(page))
    if test is None:
        return [compared] if compared.sentences else [Paragraph(question="Who leads?", sentences=[NO_LOAD_TEST])]
    found = [
        Paragraph(question=f"Who leads{test.under}, and by how much?", sentences=[*_leaders(page, test)]),
        Paragraph(question=f"What cannot be distinguished{test.under}?", sentences=[*_ties(page, test)]),
        Paragraph(question="What does one vCPU carry, and what does it cost?", sentences=[*_carried(page)]),
        Paragraph(question="How much of a request is the framework?", sentences=[*_framework_shares(page)]),
        Paragraph(question=f"Can {test.these} be trusted?", sentences=[*_trust(test)]),
        Paragraph(question="Does it hold on other machines?", sentences=[*_elsewhere(page, test)]),
        compared,
    ]
    return [paragraph for paragraph in found if paragraph.sentences]


def headline(page: Page) -> list[str]:
    """Return the answer in at most two sentences: who leads, and how far the last one is behind."""
    if page.test is None:
        return _compared(page)[:2] or [NO_LOAD_TEST]
    behind = [*_leads(_ranked(page), page.test)][-1:] or [*_carried(page)][:1]
    return [who_leads(page), *behind]


def who_leads(page: Page) -> str:
    """Return the one sentence about which frameworks lead, or about why that is not known; and which may be faster."""
    if page.test is None:
        return NO_LOAD_TEST
    ranked = _ranked(page)
    said = (*_unranked(ranked, page.test), *_first_frameworks(ranked, page.test), *_first_floors(ranked, page.test))
    return " ".join([said[0], *_beyond_the_generator(page, page.test)])


def _compared(page: Page) -> list[str]:
    """Return what each comparison decided, the newest first."""
    return [
        f"{source.run.started_at:%Y-%m-%d}: {sentence}"
        for source in page.sources.of(CompareRun)
        if isinstance(source.run, CompareRun) and isinstance(source.summary, Summary)
        for pair in source.summary.pairs
        for sentence in outcome.sentences(pair, source.run.stopping.margin)
    ]


def _leaders(page: Page, test: JoinedLoadTest) -> Iterator[str]:
    ranked = _ranked(page)
    yield from _unranked(ranked, test)
    yield from _first_floors(ranked, test)
    yield from _first_frameworks(ranked, test)
    yield from _beyond_the_generator(page, test)
    yield from _leads(ranked, test)


def _ranked(page: Page) -> list[Row]:
    return [row for row in page.rows if row.place is not None]


def _unranked(ranked: Sequence[Row], test: JoinedLoadTest) -> Iterator[str]:
    """Yield why nothing is ranked, if nothing is."""
    if test.summary.controls is not None and test.summary.controls.warnings:
        for verdict, sentence in test.summary.controls.warnings.items():
            yield f"Nothing is ranked ({verdict}): {sentence}"
    elif not ranked:
        yield f"Nothing is ranked: no stack's number{test.under} is free of doubts; the table says why."


def _first_floors(ranked: Sequence[Row], test: JoinedLoadTest) -> Iterator[str]:
    if floors := [row for row in ranked if row.floor and row.place == 1]:
        are = "is" if len(floors) == 1 else "are"
        yield f"{_names(floors)}, no framework at all, {are} the floor that others are held to{test.under}."


def _first_frameworks(ranked: Sequence[Row], test: JoinedLoadTest) -> Iterator[str]:
    """Yield the frameworks that nothing beats."""
    leaders, _ = _leaders_and_beaten(ranked, test)
    if len(leaders) == 1:
        yield f"{_names(leaders)} leads the frameworks{test.under}."
    elif leaders:
        yield f"{_names(leaders)} lead the frameworks{test.under}, and {test.these} cannot tell which of them is first."


def _beyond_the_generator(page: Page, test: JoinedLoadTest) -> Iterator[str]:
    """Yield which stacks are not ranked because the load generator was their limit: they may be the fastest."""
    for row in page.rows:
        if row.cell and row.verdict is Verdict.GENERATOR_BOUND and (rate := row.seen) is not None:
            seen = f"{rate.value.estimate:,.0f} req/s per vCPU"
            yield (
                f"{row.subject.name} is not ranked, since the load generator was its limit at {seen}{test.under}: its "
                "own rate may be higher."
            )


def _leads(ranked: Sequence[Row], test: JoinedLoadTest) -> Iterator[str]:
    """Yield the smallest lead over another framework that was decided, and the largest."""
    leaders, beaten = _leaders_and_beaten(ranked, test)
    if not leaders:
        return
    leader = leaders[0]
    decided = [pair for pair in decided_pairs(test.summary)[Decision.DIFFERENT] if better_of(pair) == leader.cell]
    behind = {_worse(pair): pair for pair in decided}
    shown = [row for row in beaten if row.cell in behind]
    for row in [*shown[:1], *shown[1:][-1:]]:
        times = _times(behind[row.cell], leader.cell)
        yield f"{leader.subject.name} carries {times} as many requests per vCPU as {row.subject.name}{test.under}."


def _leaders_and_beaten(ranked: Sequence[Row], test: JoinedLoadTest) -> tuple[list[Row], list[Row]]:
    """Return the frameworks that nothing beats, and the others."""
    rows = [row for row in ranked if not row.floor]
    names = {row.cell for row in rows}
    beaten = {_worse(pair) for pair in decided_pairs(test.summary)[Decision.DIFFERENT] if {pair.a, pair.b} <= names}
    return [row for row in rows if row.cell not in beaten], [row for row in rows if row.cell in beaten]


def _times(pair: Pair, better: str) -> str:
    """Return how many times as fast the better of a pair is, with the interval."""
    assert pair.ratio is not None
    ratio = pair.ratio if better == pair.a else pair.ratio.inverse()
    bounds = "" if ratio.low is None or ratio.high is None else f" ({ratio.low:.2f} to {ratio.high:.2f})"
    return f"{ratio.estimate:.2f} times{bounds}"


def _worse(pair: Pair) -> str:
    return pair.a if better_of(pair) == pair.b else pair.b


def _ties(page: Page, test: JoinedLoadTest) -> Iterator[str]:
    found = decided_pairs(test.summary)
    names = {row.cell: row.subject.name for row in page.rows if row.cell}
    equivalent, undecided = found[Decision.EQUIVALENT], found[Decision.UNDECIDED]
    if test.summary.pairs and not (equivalent or undecided):
        yield f"Nothing: every pair of stacks was distinguished{test.under}."
    if equivalent:
        margin = f"{test.run.stopping.margin:.0%}"
        yield f"Equivalent within {margin}{test.under}: {_pairs(equivalent, names)}."
    if undecided:
        yield f"Undecided{test.under}, which is not the same as equal: {_pairs(undecided, names)}."


def _pairs(pairs: Sequence[Pair], names: dict[str, str]) -> str:
    shown = "; ".join(f"{names.get(pair.a, pair.a)} and {names.get(pair.b, pair.b)}" for pair in pairs[:NAMED])
    return shown if len(pairs) <= NAMED else f"{shown}; and {counted(len(pairs) - NAMED, 'more pair')}"


def _carried(page: Page) -> Iterator[str]:
    known = [row for row in page.rows if "rate" in row.values and not row.floor]
    for word, row in zip(("most", "least"), _ends(known), strict=False):
        rate, price = row.values["rate"], row.values.get("dollars")
        bounds = "" if rate.low is None or rate.high is None else f" ({rate.low:,.0f} to {rate.high:,.0f})"
        cost = "" if price is None else f", which is {_dollars(price.estimate)} for a million requests"
        yield f"The {word}: {row.subject.name} carries {rate.estimate:,.0f} req/s{bounds} of /hello on one vCPU{cost}."
    if known and page.prices.compute:
        offer = page.prices.compute[0]
        yield f"Prices: {offer.name} in {offer.region}, {offer.as_of}, at {DEFAULT_UTILISATION:.0%} of capacity."


def _ends(rows: Sequence[Row]) -> list[Row]:
    """Return the rows with the highest and the lowest rate; one where there is only one."""
    ordered = sorted(rows, key=lambda row: -row.values["rate"].estimate)
    return [*ordered[:1], *ordered[1:][-1:]]


def _dollars(amount: float) -> str:
    return f"${BY_KEY['dollars'].text(amount)}"


def _framework_shares(page: Page) -> Iterator[str]:
    """Yield between which shares the frameworks are, for each scenario, if any of them does some work."""
    found = ranges(page.sources.shares)
    if found.keys() - {SCENARIO}:
        yield from (f"{said[0].upper()}{said[1:]}." for said in found.values())
        yield f"{NOT_COUNTED[0].upper()}{NOT_COUNTED[1:]}."


def _trust(test: JoinedLoadTest) -> Iterator[str]:
    controls = test.summary.controls
    own = {cell.name for cell in test.run.cells if cell.control_of is None}
    doubted = [row for row in test.summary.cells if row.cell in own and row.doubts]
    if controls is None:
        yield "Unknown: this run has no controls."
    elif controls.warnings:
        yield "No: see above."
    elif not any(row.cell in own and is_compared(row) for row in test.summary.cells):
        first = next((sentence for row in doubted for sentence in row.doubts.values()), "nothing was measured.")
        yield f"No: every stack's number is in doubt, the first because: {first}"
    else:
        yield f"Yes, as far as its controls can tell: {_reasons(controls)}."
        if doubted:
            has = "has a remark or a doubt" if len(doubted) == 1 else "have remarks or doubts"
            yield f"{counted(len(doubted), 'stack')} {has}: see the table."
    if any(cell.stand_in_base for cell in test.run.cells):
        yield "Its images were built on stand-in base images, not on the official ones."


def _elsewhere(page: Page, test: JoinedLoadTest) -> Iterator[str]:
    for machine in page.elsewhere:
        yield from machines.sentences(test.summary.pairs, machine)


def _reasons(controls: Controls) -> str:
    same = [
        f"two copies of {pair.a} {OF_COPIES[pair.decision]} (ratio {pair.ratio.estimate:.3f})"
        for pair in controls.same
        if pair.ratio is not None
    ]
    shares = (
        ("other programs took {:.1%} of the server's cores", controls.foreign),
        ("the hypervisor took {:.1%} of the machine", controls.steal),
        ("the load generator used at most {:.1%} of the cores that it can use", controls.generator_utilisation_max),
    )
    return ", ".join([*same, *(words.format(value) for words, value in shares if value is not None)])


def _names(rows: Sequence[Row]) -> str:
    names = [row.subject.name for row in rows]
    shown, more = names[:NAMED], len(names) - NAMED
    if more > 0:
        return f"{', '.join(shown)} and {more} more"
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
