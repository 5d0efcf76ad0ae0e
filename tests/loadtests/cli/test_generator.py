"""Commands about the load generator: values that cannot work are refused; its image is pushed where tasks pull it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from docker import DockerClient

from common.catalog.stacks import GENERATOR
from common.cli.app import GIVEN, run
from common.errors import UsageError
from common.registries import local
from common.registries.api import RegistryAddress
from common.registries.pushing import registry_pusher
from loadtests.__main__ import command_line
from loadtests.experiments.bench_generator import command as bench_generator
from loadtests.experiments.crosscheck import command as crosscheck
from loadtests.experiments.distributed import command as distributed
from tests.conftest import absent
from tests.support.tiny_images import tags_below, tiny_image


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """The address of a registry of the test's own."""
    try:
        local.require_program()
    except UsageError as error:
        absent(str(error))
    with local.local_registry(tmp_path) as host:
        yield host


def test_the_image_is_pushed_under_the_name_that_tasks_pull(
    engine: DockerClient, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tiny image takes the place of the real one."""
    with tiny_image(engine) as image:
        monkeypatch.setattr(distributed, "build_generator", lambda *_: image)
        assert run(command_line(), ["generator", f"--registry={registry}"], {}) == 0
        with registry_pusher(RegistryAddress.parse(registry)) as pusher:
            assert pusher.registry.manifest(GENERATOR, "latest").layers
    assert tags_below(engine, registry) == []


@pytest.mark.usefixtures("engine")
def test_a_registry_that_does_not_answer_is_reported_before_anything_is_built(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(distributed, "build_generator", lambda *_: pytest.fail("it was built"))
    assert run(command_line(), ["generator", "--registry=127.0.0.1:9"], {GIVEN: ""}) == 2
    assert "REGISTRY=127.0.0.1:9" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("crosscheck --framework=falcon --scenario=rate", "error: SCENARIO=rate needs a rate"),
        ("crosscheck --framework=falcon --scenario=sleepers", "error: SCENARIO=sleepers climbs"),
        ("crosscheck --framework=falcon --scenario=errors", "error: wrk cannot run SCENARIO=errors"),
        ("crosscheck --framework=falcon --runtime=fargate", "RUNTIME=fargate cannot be used here"),
        ("worker --master=here", "invalid MASTER=here: must be HOST:PORT"),
        ("bench-generator --seconds=0", "SECONDS="),
        ("master --url=http://127.0.0.1 --expect=0", "EXPECT="),
        ("master --url=http://127.0.0.1 --expect=1 --resume=latest", "RESUME="),
    ],
)
def test_a_value_that_cannot_work_is_refused_before_anything_starts(
    line: str, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(crosscheck, "require_wrk", lambda: "wrk")
    for module in (crosscheck, bench_generator, distributed):
        monkeypatch.setattr(module, "start", lambda *_, **__: pytest.fail("it was started"))
    assert run(command_line(), line.split(), {GIVEN: ""}) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1
