"""``make bench-generator``."""

from typing import Annotated

from loadtests.campaign.loop import start
from loadtests.campaign.parameters import Rounds, RunParameters, within
from loadtests.campaign.resume import resumable
from loadtests.experiments.bench_generator.experiment import begin_comparison


@resumable
def bench_generator(
    *,
    rounds: Rounds = 5,
    seconds: Annotated[int, within(1, 60, "Length of each window, 1 to 60 seconds.")] = 2,
    run: RunParameters = RunParameters(),
) -> None:
    """Measure requests per CPU-second of our generator, Locust's clients, wrk and h2load."""
    terminal = run.terminal()
    begin = begin_comparison(rounds=rounds, window_s=seconds, messages=terminal.messages)
    start("bench-generator", begin, run, terminal)
