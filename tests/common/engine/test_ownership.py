"""This machine's engine is cleared of orphans before a run, and what may be in use elsewhere is listed."""

from types import SimpleNamespace
from typing import Any

import pytest

from common.engine import ownership
from common.engine.ownership import OWNER, PLACE, clear_local_engine
from common.host.ownership import place_id

DEAD = "4194305:1"


class Containers:
    """The engine's containers."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        """Keep the engine's description of each."""
        self.rows = list(rows)

    def containers(self, *, filters: dict[str, str], all: bool = False) -> list[dict[str, Any]]:  # noqa: A002 -- the SDK's
        """List those with a label, by default those that run."""
        return [one for one in self.rows if filters["label"] in one["Labels"] and (all or one["State"] == "running")]

    def remove_container(self, container: str, **_: bool) -> None:
        """Remove one by its id."""
        self.rows = [one for one in self.rows if one["Id"] != container]


def _row(number: str, place: str | None, state: str = "running") -> dict[str, Any]:
    return {"Id": number, "State": state, "Labels": {OWNER: DEAD} | ({} if place is None else {PLACE: place})}


def test_orphans_are_removed_and_running_containers_of_other_places_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    containers = Containers(
        _row("here", place_id()),
        _row("earlier", None),
        _row("away".ljust(64, "0"), "other:boot:1"),
        _row("exited", "other:boot:1", "exited"),  # its owner may still have to read why
    )
    monkeypatch.setattr(ownership, "engine_socket", lambda: "/s")
    monkeypatch.setattr(ownership, "engine", lambda: SimpleNamespace(api=containers))
    monkeypatch.setattr(ownership, "engine_answers", lambda: True)
    assert clear_local_engine() == ["away".ljust(12, "0")]
    assert [one["Id"] for one in containers.rows] == ["away".ljust(64, "0"), "exited"]


def test_a_run_waits_for_no_engine_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:2375")
    monkeypatch.setattr(ownership, "engine_answers", lambda: pytest.fail("an engine was asked"))
    assert clear_local_engine() == []
