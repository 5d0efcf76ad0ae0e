"""AWS's time is known from its replies, and ours is corrected by no more than they ask for."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from common.aws.clock import Clock

NOON = datetime(2026, 6, 30, 12, tzinfo=UTC)


def dated(at: datetime) -> dict[str, Any]:
    """Return a reply's metadata with a date, truncated to the second as in HTTP."""
    return {"HTTPHeaders": {"date": format_datetime(at.replace(microsecond=0), usegmt=True)}}


@pytest.mark.parametrize("skew_s", [-7.3, -0.4, 0.0, 0.4, 7.3])
def test_dated_replies_bound_the_offset_between_the_clocks(skew_s: float) -> None:
    clock = Clock()
    for tenth in range(40):
        ours = NOON + timedelta(seconds=tenth * 0.11)
        theirs = ours + timedelta(seconds=skew_s + 0.02)
        clock.compare(dated(theirs), asked_at_s=ours.timestamp(), answered_at_s=ours.timestamp() + 0.04)
    assert clock.at_least_s <= skew_s <= clock.at_most_s
    assert clock.uncertainty_s is not None
    assert clock.uncertainty_s < 0.1
    assert clock.offset.total_seconds() == pytest.approx(skew_s, abs=0.15)


@pytest.mark.parametrize("steps_s", [(0.0, 3.0), (0.0, -3.0), (0.0, 3.0, 0.0)])
def test_bounds_start_again_when_our_clock_has_been_set(steps_s: tuple[float, ...]) -> None:
    """Earlier replies would else bound an offset that is no longer true, with an uncertainty of zero."""
    clock, theirs = Clock(), NOON
    for skew_s in steps_s:
        for _ in range(40):
            theirs += timedelta(seconds=0.11)
            asked_at_s = theirs.timestamp() - skew_s - 0.02
            clock.compare(dated(theirs), asked_at_s=asked_at_s, answered_at_s=asked_at_s + 0.04)
    assert clock.at_least_s <= skew_s <= clock.at_most_s
    assert clock.uncertainty_s is not None
    assert 0.0 < clock.uncertainty_s < 0.1


def test_without_a_date_there_is_no_correction() -> None:
    clock = Clock()
    clock.compare({}, asked_at_s=0, answered_at_s=1)
    assert clock.now() is None
    assert clock.offset == timedelta()
    assert clock.uncertainty_s is None


def test_awss_time_goes_on_from_its_latest_date_whatever_our_date_is(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    clock.compare(dated(NOON), asked_at_s=0, answered_at_s=1)
    awake = time.clock_gettime
    monkeypatch.setattr(time, "time", lambda: 0.0)
    monkeypatch.setattr(time, "clock_gettime", lambda clock: awake(clock) + 3600)
    now = clock.now()
    assert now is not None
    assert 0 <= (now - NOON).total_seconds() - 3600 < 1
