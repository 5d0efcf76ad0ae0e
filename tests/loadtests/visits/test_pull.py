"""An image is pulled into an engine that has none of its layers, over a link of known bandwidth."""

import os
from pathlib import Path

import pytest
from docker import DockerClient

from common.catalog.runtimes import Runtime
from common.engine.pulls import FOLDERS
from common.errors import UsageError
from common.records.experiments.startup import Pull, PullCell
from loadtests.experiments.startup import parse_links
from loadtests.visits.pull import puller
from tests.support.records import NOON
from tests.support.tiny_images import tiny_image

pytestmark = pytest.mark.parallel


def test_an_image_is_pulled_over_a_link_and_nothing_is_left(engine: DockerClient) -> None:
    try:
        parse_links("100mbit", Runtime.DOCKER)
    except UsageError as error:
        pytest.skip(str(error))
    blank = Pull(run="run", round=1, position=1, cell="toy", started_at=NOON)
    with tiny_image(engine, size_bytes=4_000_000) as image:
        with puller(iter([image])) as ready:
            pulls = [ready.measure(blank, PullCell(name="toy", image=image, link=link)) for link in ("200mbit", "full")]
        assert engine.images.get(image).tags == [image]
    for pull in pulls:
        assert pull.error is None
        assert pull.compressed_bytes is not None
        assert pull.download_s is not None
        assert pull.total_s is not None
        assert pull.download_s < pull.total_s
    shaped, full = pulls
    assert shaped.download_s is not None
    assert shaped.compressed_bytes is not None
    assert shaped.download_s > 0.9 * shaped.compressed_bytes * 8 / 200e6  # a busy machine may take longer
    assert (full.link_seen_bps or 0) > 1e9 > (shaped.link_seen_bps or 0)
    assert not list(FOLDERS.glob(f"{os.getpid()}-*"))
    assert not any(os.fspath(FOLDERS) in line for line in Path("/proc/self/mountinfo").read_text().splitlines())
