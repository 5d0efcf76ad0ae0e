"""The generator's image is built from the harness alone, and from the same files whatever the umask."""

import os
from pathlib import Path

import pytest

from loadtests.generator.image import write_context

FILES = (
    "common/records/run.py",
    "common/__pycache__/run.cpython-311.pyc",
    "loadtests/locustfile.py",
    "loadtests/windows/wrk.lua",
    "loadtests/results/one/run.json",
    "loadtests/published/one/run.json",
    "loadtests/.cache/found",
    "docker/bases.toml",
    "docker/generator.Dockerfile",
    "frameworks/falcon/app.py",
    "requirements.lock",
    "README.md",
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout."""
    for name in FILES:
        file = tmp_path / "checkout" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    return tmp_path / "checkout"


def test_the_context_holds_the_harness_its_lock_and_its_dockerfile(root: Path, tmp_path: Path) -> None:
    context = tmp_path / "context"
    write_context(context, root=root)
    found = {str(path.relative_to(context)) for path in context.rglob("*") if path.is_file()}
    assert found == {
        "common/records/run.py",
        "loadtests/locustfile.py",
        "loadtests/windows/wrk.lua",
        "docker/bases.toml",
        "docker/generator.Dockerfile",
        "requirements.lock",
        "Dockerfile",
    }
    assert (context / "Dockerfile").read_text() == "docker/generator.Dockerfile"


def test_modes_do_not_depend_on_the_umask(root: Path, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        (root / "common" / "late.py").write_text("")
        write_context(tmp_path / "context", root=root)
    finally:
        os.umask(before)
    paths = list((tmp_path / "context").rglob("*"))
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_dir()} == {0o755}
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_file()} == {0o644}
