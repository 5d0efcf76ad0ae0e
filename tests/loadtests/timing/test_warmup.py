"""A server is warm once its rate no longer rises, however long that takes; one that is warm at once costs little."""

import itertools
import math
import random
from collections.abc import Callable
from dataclasses import replace
from statistics import fmean

import pytest

from common.host.meters import CpuReading
from common.records.window import Warmup
from loadtests.timing.reading import Reading
from loadtests.timing.warmup import FEWEST_REQUESTS, MOST_STEADY_S, SPELL_S, is_warm, looks, warm_up
from loadtests.users.tally import Tally

LEAST_S, MOST_S = 0.64, 41.0
RATE_RPS = 5000.0


def _steady(_: float) -> float:
    return 1.0


def _after_imports(at_s: float) -> float:
    """Be slow for the first responses, as everything is that imports or caches something with them."""
    return 0.3 if at_s < SPELL_S else 1.0


def _approaching(constant_s: float) -> Callable[[float], float]:
    """Become faster from a fifth of the final rate, as under a just-in-time compiler."""
    return lambda at_s: 1 - 0.8 * math.exp(-at_s / constant_s)


def _reading(at_s: float, responses: float, server_cpu_s: float | None) -> Reading:
    tally = Tally(method="GET", name="hello", wrong=round(responses))
    server = None if server_cpu_s is None else CpuReading(cpu_s=server_cpu_s)
    return Reading(at_s=at_s, tallies=(tally,), generator_cpu_s=0.0, server=server)


class _Server:
    """A server under load, whose rate is as given, and in each spell off by ``spread``."""

    def __init__(
        self, speed: Callable[[float], float], seed: int = 0, *, spread: float = 0.0, rate_rps: float = RATE_RPS
    ) -> None:
        self._speed, self._spread, self._rate_rps = speed, spread, rate_rps
        self._chance = random.Random(seed)  # noqa: S311 -- not for secrets
        self._responses = 0.0
        self.at_s = 0.0

    def read(self) -> Reading:
        return _reading(100 + self.at_s, self._responses, 7 + 0.98 * self.at_s)

    def load_until(self, at_s: float) -> None:
        self.at_s = at_s - 100
        self._responses += SPELL_S * self._rate_rps * self._speed(self.at_s) * self._chance.gauss(1, self._spread)

    def warm_up(self, most_s: float = MOST_S, *, may_compile: bool = False) -> Warmup:
        made, self.latest_rps = warm_up(
            self.read, self.load_until, least_s=LEAST_S, most_s=most_s, may_compile=may_compile
        )
        assert made.duration_s == pytest.approx(self.at_s)
        return made


@pytest.mark.parametrize(("least_s", "first"), [(0.0, 4), (0.2, 4), (0.32, 4), (0.5, 8), (0.64, 8)])
def test_the_first_look_is_after_four_equal_parts_that_last_as_long_as_was_asked(least_s: float, first: int) -> None:
    assert next(looks(least_s, 0.0)) == first
    assert [*looks(least_s, 0.0)] == [first]


def test_looks_are_ever_farther_apart_up_to_the_longest_warm_up() -> None:
    made = [*looks(LEAST_S, MOST_S)]
    assert made == [8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512]
    assert made[-1] * SPELL_S <= MOST_S
    assert [*looks(0.2, 1.0)] == [4, 8, 12]


@pytest.mark.parametrize("speed", [_steady, _after_imports])
def test_a_server_that_is_fast_at_once_is_warm_at_the_first_look(speed: Callable[[float], float]) -> None:
    server = _Server(speed)
    made = server.warm_up()
    assert made.warm
    assert made.duration_s == pytest.approx(LEAST_S)
    assert server.latest_rps == pytest.approx(RATE_RPS)


def test_chance_rarely_makes_a_steady_server_wait() -> None:
    made = [_Server(_steady, seed, spread=0.015).warm_up() for seed in range(300)]
    assert fmean(one.duration_s for one in made) < 1.25 * LEAST_S


@pytest.mark.parametrize("constant_s", [0.2, 1.0, 5.0])
@pytest.mark.parametrize("spread", [0.0, 0.015])
def test_a_server_that_becomes_faster_is_loaded_until_it_is_fast(constant_s: float, spread: float) -> None:
    speed = _approaching(constant_s)
    made = [_Server(speed, seed, spread=spread).warm_up(may_compile=True) for seed in range(100)]
    final = [speed(one.duration_s) for one in made]
    assert min(final) > (0.97 if spread else 0.98)


def test_it_is_warm_from_the_middle_on() -> None:
    speed = _approaching(2.0)
    made = _Server(speed).warm_up(may_compile=True)
    assert made.until_warm_s is not None
    assert made.until_warm_requests is not None
    assert made.until_warm_s == pytest.approx(made.duration_s / 2)
    assert made.until_warm_requests < made.requests / 2, "the first half was slower"
    assert speed(made.until_warm_s) > 0.95


def _after_compiling(at_s: float) -> float:
    """Be slow until functions have been called often enough to be compiled, as Falcon was on PyPy."""
    return 0.15 if at_s < 4 else 1 - 0.85 * math.exp(-(at_s - 4) / 0.3)


def test_a_server_that_may_compile_is_not_warm_before_it_has_begun_to() -> None:
    assert _Server(_after_compiling).warm_up().duration_s == pytest.approx(LEAST_S), "its rate does not rise yet"
    made = _Server(_after_compiling).warm_up(may_compile=True)
    assert made.warm
    assert made.requests >= FEWEST_REQUESTS
    assert _after_compiling(made.until_warm_s or 0.0) > 0.95


def test_a_server_that_never_stops_becoming_faster_is_not_warm_after_the_longest_time() -> None:
    made = _Server(_approaching(20.0)).warm_up(may_compile=True)
    assert made.duration_s == pytest.approx(512 * SPELL_S)
    assert (made.warm, made.until_warm_s, made.until_warm_requests) == (False, None, None)
    assert made.requests > 0


def test_a_warm_up_of_a_fixed_length_says_nothing() -> None:
    made = _Server(_approaching(20.0)).warm_up(most_s=0.0)
    assert made.warm is None
    assert made.duration_s == pytest.approx(LEAST_S)


def test_a_server_that_cannot_compile_its_code_is_not_waited_for_when_its_rate_varies() -> None:
    made = [_Server(_steady, seed, spread=0.3).warm_up() for seed in range(100)]
    assert max(one.duration_s for one in made) == pytest.approx(MOST_STEADY_S)
    assert {one.warm for one in made} == {True, None}


def test_too_few_responses_say_nothing() -> None:
    made = _Server(_steady, rate_rps=2.0).warm_up()
    assert (made.warm, made.until_warm_s) == (None, None)
    assert _Server(_steady, rate_rps=200.0).warm_up().warm, "64 in each quarter are enough"


def test_a_server_that_may_compile_and_had_too_few_requests_is_not_warm() -> None:
    made = _Server(_steady, rate_rps=100.0).warm_up(may_compile=True)
    assert made.requests < FEWEST_REQUESTS
    assert made.duration_s == pytest.approx(512 * SPELL_S)
    assert made.warm is False


def test_what_others_take_of_the_core_is_not_taken_for_a_change() -> None:
    """The server gets half of the core at first, and all of it in the last quarter."""
    sums = [0.0, *itertools.accumulate([0.5] * 6 + [1.0] * 2)]
    disturbed = [_reading(number * SPELL_S, 10_000 * cpu * SPELL_S, cpu * SPELL_S) for number, cpu in enumerate(sums)]
    assert is_warm(disturbed)
    assert not is_warm([replace(one, server=None) for one in disturbed]), "by the clock, it became faster"
