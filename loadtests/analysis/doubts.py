"""What speaks against a probe's numbers, found and told. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from common.records.run import Conformance
from common.records.summary import Verdict

FEWEST_ROUNDS = 5


def failed(conformance: Conformance | None, errors: Sequence[str | None]) -> Iterator[tuple[Verdict, str]]:
    """Why there are no numbers, or fewer than rounds; ``errors`` holds one entry a round."""
    if conformance is not None and conformance.failed:
        yield (
            Verdict.NONCONFORMING,
            f"{len(conformance.failed)} conformance tests fail, first {min(conformance.failed)}.",
        )
    if not errors:
        yield Verdict.NOT_MEASURED, "no round was made."
    if told := [error for error in errors if error]:
        yield Verdict.SERVER_DIED, f"in {len(told)} of {len(errors)} rounds: {told[0]}"


def too_few(count: int) -> Iterator[tuple[Verdict, str]]:
    """Whether there are too few rounds to compare by."""
    if 0 < count < FEWEST_ROUNDS:
        yield Verdict.TOO_FEW_ROUNDS, f"{count} rounds; {FEWEST_ROUNDS} are the fewest to compare by. Raise ROUNDS."


def sentences(doubts: Iterable[tuple[str, Mapping[str, str]]]) -> Iterator[str]:
    """Each doubt once, with the cells that it is about."""
    rows = tuple(doubts)
    about: dict[tuple[str, str], list[str]] = {}
    for cell, seen in rows:
        for doubt in seen.items():
            about.setdefault(doubt, []).append(cell)
    for (verdict, sentence), cells in about.items():
        names = f"all {len(rows)} cells" if len(cells) == len(rows) > 1 else ", ".join(cells)
        yield f"{verdict}: {names}: {sentence}"
