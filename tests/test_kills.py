"""A command that is killed leaves nothing once the next one has run, and loses nothing that was measured."""

from pathlib import Path

import pytest

from tests.kills.running import try_kills

COUNT = 20


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_kills_at_random_moments_leave_nothing_and_lose_nothing(tmp_path: Path) -> None:
    kills = try_kills(tmp_path, COUNT, seed=1)
    assert len(kills) == COUNT
    assert [str(one) for one in kills if one.problems] == []
    assert sum(not one.ended_before for one in kills) > COUNT / 2
