"""A badge says the figure, its interval, its machine and its date, and never a rank."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

from common.records.figure import Metric
from loadtests.site.pictures import Badge, newest_rate, write_badge
from tests.support.figures import DOCKER, HELLO, figure
from tests.support.records import NOON

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


def test_the_newest_rate_is_shown() -> None:
    newer = figure(Metric.REQUESTS_PER_CPU_S, 8000, HELLO, measured_at=NOON.replace(day=9))
    later = figure(Metric.P99_S, 1, HELLO, measured_at=NOON.replace(day=10))
    assert newest_rate([newer, RATE, later]) == newer
    assert newest_rate([later]) is None
