"""An image is pulled into an engine that has none of its layers, over a link of known bandwidth."""

import os
from pathlib import Path

import pytest
from docker import DockerClient

from common.catalog.images import DEFAULT_PYTHON, images
from common.catalog.runtimes import Runtime
from common.engine.pulls import FOLDERS
from common.errors import UsageError
from common.records.experiments.startup import Pull, PullCell
from loadtests.experiments.startup import parse_links
from loadtests.visits.pull import puller
from tests.support.records import NOON

pytestmark = pytest.mark.parallel


def test_an_image_is_pulled_over_a_link_and_nothing_is_left(engine: DockerClient) -> None:
    image = images()["alpine"].base(DEFAULT_PYTHON)
    try:
        parse_links("100mbit", Runtime.DOCKER)
    except UsageError as error:
        pytest.skip(str(error))
    tags = {tag for image in engine.images.list() for tag in image.tags}
    blank = Pull(run="run", round=1, position=1, cell="toy", started_at=NOON)
    with puller(iter([image])) as ready:
        pulls = [ready.measure(blank, PullCell(name="toy", image=image, link=link)) for link in ("200mbit", "full")]
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
    assert {tag for tag in tags if "127.0.0.1" in tag} == {
        tag for image in engine.images.list() for tag in image.tags if "127.0.0.1" in tag
    }
