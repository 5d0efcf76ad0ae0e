"""Only containers whose owner has exited are removed, as far as that can be seen from here."""

import os

import pytest

from common.engine import ownership
from common.engine.ownership import OWNER, PLACE, is_orphan, remove_orphaned_local_containers
from common.host.ownership import owner_id

HERE = "boot:1"


@pytest.mark.parametrize(
    ("alive", "place", "state", "expected"),
    [
        (False, HERE, "running", True),
        (True, HERE, "running", False),
        (False, None, "running", True),  # labelled by an earlier version
        (True, None, "exited", False),
        (False, "boot:2", "running", False),  # in a container that shares the engine
        (False, "boot:2", "exited", False),
        (False, "other:1", "running", False),  # on another machine that uses the engine
        (False, "other:1", "created", False),
        (False, "other:1", "exited", True),  # as everything is after a reboot
    ],
)
def test_orphan_is_a_container_whose_owner_is_known_to_have_exited(
    place: str | None, state: str, *, alive: bool, expected: bool
) -> None:
    owner = owner_id(os.getpid()) if alive else f"{os.getpid()}:1"
    labels = {OWNER: owner} if place is None else {OWNER: owner, PLACE: place}
    assert is_orphan(labels, state, here=HERE) is expected


def test_a_run_waits_for_no_engine_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:2375")
    monkeypatch.setattr(ownership, "engine_answers", lambda: pytest.fail("an engine was asked"))
    remove_orphaned_local_containers()
