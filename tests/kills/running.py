"""A number of kills, over all commands in turn."""

import random
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from common.engine.client import engine, engine_answers
from tests.kills.commands import Command, commands
from tests.kills.harness import Bench, Kill, Unbroken
from tests.support.fake_aws import endpoint


def try_kills(
    place: Path,
    count: int,
    seed: int,
    *,
    only: str = "",
    most_commands: int | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> list[Kill]:
    """Kill commands at moments that follow from the seed; return how each kill ended.

    Of the commands whose names hold ``only``, at most ``most_commands`` are drawn: each is first run unbroken once.
    """
    chosen = [one for one in commands() if only in one.name]
    if most_commands is not None and most_commands < len(chosen):
        chosen = random.Random(seed).sample(chosen, most_commands)  # noqa: S311 -- no cryptography
    kills: list[Kill] = []
    unbroken: dict[str, Unbroken] = {}
    with ExitStack() as stack:
        fake = stack.enter_context(endpoint(engine())) if engine_answers() else None
        bench = Bench(place=place / "bench", fake_aws=fake)
        for number, command in enumerate(_drawn(chosen, count, seed)):
            if command.name not in unbroken:
                unbroken[command.name] = bench.unbroken(command)
            dice = random.Random(f"{seed}/{number}/{command.name}")  # noqa: S311 -- no cryptography
            kills.append(bench.kill(command, dice, unbroken[command.name]))
            report(f"{number + 1}/{count} {kills[-1]}")
    return kills


def _drawn(chosen: Sequence[Command], count: int, seed: int) -> list[Command]:
    """Return so many commands: all of them in shuffled order, then again."""
    dice, drawn = random.Random(seed), list[Command]()  # noqa: S311 -- no cryptography
    while len(drawn) < count:
        drawn += dice.sample(chosen, len(chosen))
    return drawn[:count]
