"""A badge says the figure, its interval, its machine and its date, and never a rank."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

from common.records.figure import Metric
from loadtests.page.pictures import Badge, write_badge
from tests.support.figures import DOCKER, HELLO, figure

RATE = figure(Metric.REQUESTS_PER_CPU_S, 7187, HELLO, bounds=(6743, 7660))


def test_a_badge_says_what_was_measured() -> None:
    badge = Badge.of(RATE, "AMD EPYC")
    assert badge.label == "a+b@slim"
    assert badge.message == "7,187 (6,743 to 7,660) req/s per vCPU, AMD EPYC, 2026-01-02"


def test_the_picture_and_the_endpoint_say_the_same(tmp_path: Path) -> None:
    picture, endpoint = write_badge(Badge.of(RATE, "<AMD> & Co"), tmp_path, DOCKER)
    said = json.loads(endpoint.read_text())
    assert said["schemaVersion"] == 1
    root = ET.fromstring(picture.read_text())  # noqa: S314 -- our own
    assert root.get("aria-label") == f"{said['label']}: {said['message']}"
    assert "<AMD> & Co" in said["message"]
