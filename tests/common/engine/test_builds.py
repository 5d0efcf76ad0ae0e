"""Images built of stacks: what is in them, what is not, and what a build reports."""

import base64
import hashlib
import io
import ipaddress
import json
import re
import secrets
import stat
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn
from unittest import mock

import certifi
import pytest
from docker import DockerClient
from docker.errors import APIError

import common.engine.build_context
import common.engine.builds
from common.catalog.frameworks import frameworks
from common.catalog.pythons import DEFAULT_PYTHON
from common.catalog.stacks import Stack, image_tag, images, stacks
from common.engine.bases import is_stand_in
from common.engine.build_context import sources, start_script, write_context
from common.engine.builds import (
    PYTHON,
    BuildOutcome,
    BuildState,
    build_images,
    image_labels,
    image_size_bytes,
    log_file,
    pinned_versions,
)
from common.errors import FailedError, UsageError
from common.host.folders import make_folder
from common.packages.indexes import pip_options
from common.project import ROOT
from tests.conftest import labelled_images, remove_images
from tests.support.toy_packages import write_wheel
from tests.support.toy_stacks import APP, toy_stack

SLIM = images()["slim"]
MARKER = "marker-that-must-leave-no-trace"
WALK = """
import os, stat
for top in {tops}:
    for folder, _, names in os.walk(top):
        for name in names:
            path = os.path.join(folder, name)
            if {found}:
                print(path)
"""
FIND_RAISING = WALK.format(
    tops=("/bin", "/sbin", "/usr", "/opt", "/lib", "/app", "/venv", "/etc"),
    found="os.lstat(path).st_mode & (stat.S_ISUID | stat.S_ISGID)",
)
FIND_WRITABLE = WALK.format(tops=("/app", "/venv"), found="os.access(path, os.W_OK)")
WHEEL = "toy_dependency-1.0-py3-none-any.whl"


def quiet(_: str) -> None:
    """Discard a report."""


def build_wheel() -> bytes:
    """Return a wheel with one module, ``toy_dependency``, whose random content keeps its layer out of any cache."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as wheel:
        info = "toy_dependency-1.0.dist-info"
        wheel.writestr("toy_dependency.py", f"VALUE = 1  # {secrets.token_hex(8)}\n")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: toy-dependency\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", f"toy_dependency.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return buffer.getvalue()


@contextmanager
def package_index(wheel: bytes) -> Iterator[tuple[int, list[str]]]:
    """Serve a package index that asks for a password; yield its port and the passwords that it is given."""
    passwords: list[str] = []

    class Index(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if (authorization := self.headers["Authorization"]) is None:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="index"')
                self.end_headers()
                return
            passwords.append(base64.b64decode(authorization.split()[1]).decode())
            page = f'<a href="/files/{WHEEL}">{WHEEL}</a>'.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html" if self.path.startswith("/simple") else "application/zip")
            self.end_headers()
            self.wfile.write(page if self.path.startswith("/simple") else wheel)

        def log_message(self, *_: Any) -> None:  # noqa: ANN401 -- the signature is the library's
            """Keep the output clean."""

    with ThreadingHTTPServer(("0.0.0.0", 0), Index) as server:  # noqa: S104 -- builds reach it through the bridge
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port, passwords
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def site(engine: DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, list[str], str]]:
    """Yield a stack that needs the private index and CA of a site, the passwords that the index is given, its lock."""
    folder = tmp_path_factory.mktemp("site")
    wheel = build_wheel()
    bridge = engine.networks.get("bridge").attrs["IPAM"]["Config"][0]
    gateway = bridge.get("Gateway") or str(next(ipaddress.ip_network(bridge["Subnet"]).hosts()))
    (folder / "ca.pem").write_text(f"# {MARKER}\n{Path(certifi.where()).read_text()}")
    name = f"toy_{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}"
    lock = f"toy-dependency==1.0 \\\n    --hash=sha256:{hashlib.sha256(wheel).hexdigest()}\n"
    with pytest.MonkeyPatch.context() as patch, package_index(wheel) as (port, passwords):
        (folder / "pip.conf").write_text(
            f"[global]\nindex-url = http://reader:{MARKER}@{gateway}:{port}/simple/\n"
            f"extra-index-url =\nfind-links = /nowhere\ntrusted-host = {gateway}\n"
        )
        patch.setenv("PIP_CONFIG_FILE", str(folder / "pip.conf"))
        patch.setenv("CA_BUNDLE", str(folder / "ca.pem"))
        pip_options.cache_clear()
        stack = toy_stack(folder, name, dependencies=("toy-dependency",), lock=lock)
        yield stack, passwords, lock
        pip_options.cache_clear()
    remove_images(engine, name)


@pytest.fixture(scope="module")
def built(site: tuple[Stack, list[str], str]) -> BuildOutcome:
    """The image of the toy stack on slim, built from the site's index."""
    return build_images([site[0]], [SLIM], report=quiet)[0]


def output_of(engine: DockerClient, reference: str, code: str) -> str:
    """Return what Python code prints in an image, run as the image's user."""
    return engine.containers.run(reference, ["python3", "-c", code], remove=True).decode().strip()


def step_state(log: str, pattern: str) -> str:
    """Return the state of the build step whose line matches, ``CACHED`` or ``DONE``."""
    step = re.search(rf"^#(\d+) \[[^\]]*\] {pattern}", log, re.MULTILINE)
    assert step, log
    state = re.search(rf"^#{step[1]} (CACHED|DONE)", log, re.MULTILINE)
    assert state, log
    return state[1]


def test_build_uses_the_configured_index_and_password(built: BuildOutcome, site: tuple[Stack, list[str], str]) -> None:
    assert built.state is BuildState.BUILT
    assert f"reader:{MARKER}" in site[1]


def test_image_holds_no_trace_of_secrets(engine: DockerClient, built: BuildOutcome) -> None:
    image = engine.images.get(built.tag)
    assert MARKER not in json.dumps([image.attrs, image.history()])
    previous = b""
    for chunk in image.save():  # every layer, the configuration and the manifest
        assert MARKER.encode() not in previous + chunk
        previous = chunk[-len(MARKER) :]


def test_editing_the_app_reinstalls_nothing(built: BuildOutcome, site: tuple[Stack, list[str], str]) -> None:
    stack, passwords, _ = site
    (stack.framework.folder / "app.py").write_text(APP + "# edited\n")
    passwords.clear()
    assert build_images([stack], [SLIM], report=quiet)[0].state is BuildState.BUILT
    log = log_file(built.tag).read_text()
    assert step_state(log, "RUN --mount=type=secret") == "CACHED"
    assert step_state(log, "COPY --from=build /venv") == "CACHED"
    assert step_state(log, "COPY app /app") == "DONE"
    assert passwords == []


def test_rebuilding_a_tag_removes_the_superseded_image(
    engine: DockerClient, built: BuildOutcome, site: tuple[Stack, list[str], str]
) -> None:
    before = engine.images.get(built.tag).id
    (site[0].framework.folder / "app.py").write_text(APP + "# edited again\n")
    build_images([site[0]], [SLIM], report=quiet)
    assert engine.images.get(built.tag).id != before
    assert before not in {image["Id"] for image in labelled_images(engine)}


def test_image_runs_as_a_numeric_user_other_than_root(engine: DockerClient, built: BuildOutcome) -> None:
    assert engine.images.get(built.tag).attrs["Config"]["User"] == "10001:10001"
    assert output_of(engine, built.tag, "import os; print(os.getuid(), os.getgid())") == "10001 10001"


def test_library_dependencies_and_app_are_compiled_to_bytecode(engine: DockerClient, built: BuildOutcome) -> None:
    code = (
        "import importlib.util, json, os, toy_dependency; "
        "files = [json.__file__, toy_dependency.__file__, '/app/app.py', '/app/common/contract/__init__.py']; "
        "print([os.path.exists(importlib.util.cache_from_source(file)) for file in files])"
    )
    assert output_of(engine, built.tag, code) == "[True, True, True, True]"


def test_image_adds_no_file_that_raises_rights_or_that_its_user_can_write(
    engine: DockerClient, built: BuildOutcome
) -> None:
    base = SLIM.base(DEFAULT_PYTHON)
    before, after = (output_of(engine, reference, FIND_RAISING).split() for reference in (base, built.tag))
    assert sorted(after) == sorted(before)
    assert output_of(engine, built.tag, FIND_WRITABLE) == ""


def test_image_holds_only_the_app_and_the_contract_of_ours(engine: DockerClient, built: BuildOutcome) -> None:
    code = "import pathlib; print(*sorted(str(p.relative_to('/app')) for p in pathlib.Path('/app').rglob('*.*')))"
    names = output_of(engine, built.tag, code).split()
    contract = [f"common/contract/{path.name}" for path in (ROOT / "common" / "contract").glob("*.*")]
    assert [name for name in names if "__pycache__" not in name] == sorted(["app.py", "common/__init__.py", *contract])


def test_labels_describe_the_image(
    engine: DockerClient, built: BuildOutcome, site: tuple[Stack, list[str], str]
) -> None:
    labels = engine.images.get(built.tag).labels
    assert labels["org.opencontainers.image.title"] == site[0].name
    assert labels["org.opencontainers.image.base.name"] == "python:3.13-slim"
    assert labels["org.opencontainers.image.base.digest"] == engine.images.get("python:3.13-slim").id
    assert re.fullmatch(r"[0-9a-f]{40}(\+dirty)?", labels["org.opencontainers.image.revision"])
    assert json.loads(labels["api-framework-benchmark.versions"]) == {"toy-dependency": "1.0"}
    assert labels["api-framework-benchmark.server"] == "native"
    assert labels["api-framework-benchmark.python"].startswith("3.13")
    assert is_stand_in(built.tag) == is_stand_in("python:3.13-slim")


def test_image_has_a_health_check(engine: DockerClient, built: BuildOutcome) -> None:
    assert engine.images.get(built.tag).attrs["Config"]["Healthcheck"]["Test"] == ["CMD", "python3", "/healthcheck.py"]


def test_reported_size_includes_all_layers(built: BuildOutcome) -> None:
    base_bytes = image_size_bytes("python:3.13-slim")
    assert built.size_bytes is not None
    assert 40e6 < base_bytes < built.size_bytes < base_bytes + 40e6


def test_failed_build_does_not_stop_the_others(
    engine: DockerClient, site: tuple[Stack, list[str], str], tmp_path: Path, toy_name: str
) -> None:
    wrong = site[2].replace("sha256:", "sha256:0000")[: -len("0000\n")] + "\n"
    musl = {"alpine": "no wheel for musl"}
    bad = toy_stack(tmp_path, f"{toy_name}_bad", dependencies=("toy-dependency",), lock=wrong, unavailable=musl)
    good = toy_stack(tmp_path, toy_name, unavailable=musl)
    lines: list[str] = []
    with pytest.raises(FailedError, match=rf"1 of 4 images were not built: {image_tag(bad, SLIM)}\. .*DO NOT MATCH"):
        build_images([bad, good], [SLIM, images()["alpine"]], report=lines.append)
    text = "\n".join(lines)
    assert engine.images.get(image_tag(good, SLIM))
    assert f"{image_tag(good, images()['alpine'])}  not available: no wheel for musl" in text
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in text
    assert re.search(rf"{image_tag(good, SLIM)}  [\d.]+ MB  [\d.]+ s", text)


def test_error_names_the_failed_images_and_the_reason_of_the_first_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On a terminal it is all that is left of the builds."""

    def fail(job: Any, *_: Any) -> bool:  # noqa: ANN401 -- private
        end = "#7 2.1   [end of output]\n#7 2.1 note: This is an issue with the package\n#8 ERROR: the whole command\n"
        job.log.write_text(f"#7 step\n\n  no wheel for {job.stack.framework.name}\n{end}")
        return False

    for name, value in {"ROOT": tmp_path, "LOGS": tmp_path / "logs", "_build": fail}.items():
        monkeypatch.setattr(common.engine.builds, name, value)
    for name in ("build_client", "require_base", "find_image"):
        monkeypatch.setattr(common.engine.builds, name, lambda *_: None)
    first, second = (toy_stack(tmp_path / name, name) for name in ("toy_a", "toy_b"))
    lines: list[str] = []
    with pytest.raises(FailedError) as error:
        build_images([second, first], [SLIM], report=lines.append)
    assert str(error.value) == (
        f"2 of 2 images were not built: {image_tag(first, SLIM)}, {image_tag(second, SLIM)}. The logs are in logs; "
        f"the end of logs/{log_file(image_tag(first, SLIM)).name}: #7 step | no wheel for toy_a"
    )
    assert [line.splitlines() for line in lines] == [[line] for line in lines]


NO_WHEEL = (
    "#9 2.1 ERROR: Could not find a version that satisfies the requirement toy==1.0 (from versions: none)\n"
    "#9 2.1 ERROR: No matching distribution found for toy==1.0\n"
)


@pytest.mark.parametrize(
    ("python", "log", "state"),
    [
        ("pypy3.11", NO_WHEEL, BuildState.UNAVAILABLE),
        (DEFAULT_PYTHON, NO_WHEEL, BuildState.FAILED),
        ("3.15", f"#9 1.0 WARNING: Retrying (Retry(total=4)) after connection broken\n{NO_WHEEL}", BuildState.FAILED),
        ("3.15", "#9 2.1 ERROR: THESE PACKAGES DO NOT MATCH THE HASHES\n", BuildState.FAILED),
    ],
)
def test_a_stack_is_not_available_on_a_python_for_which_a_package_has_no_wheel(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, python: str, log: str, state: BuildState
) -> None:
    """The locks are made for the default Python, so a wheel that it lacks is a failure of the index."""

    def fail(job: Any, *_: Any) -> bool:  # noqa: ANN401 -- private
        job.log.write_text(log)
        return False

    for name, value in {"ROOT": tmp_path, "LOGS": tmp_path / "logs", "_build": fail}.items():
        monkeypatch.setattr(common.engine.builds, name, value)
    for name in ("build_client", "require_base", "find_image"):
        monkeypatch.setattr(common.engine.builds, name, lambda *_: None)
    stack = toy_stack(tmp_path, "toy")
    if state is BuildState.FAILED:
        with pytest.raises(FailedError, match="1 of 1 images were not built"):
            build_images([stack], [SLIM], python, report=quiet)
    else:
        (outcome,) = build_images([stack], [SLIM], python, report=quiet)
        assert (outcome.state, outcome.reason) == (state, f"toy 1.0 has no wheel for Python {python}")


def test_missing_base_is_named_before_anything_is_built(
    engine: DockerClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, toy_name: str
) -> None:
    monkeypatch.setenv("BASE", "127.0.0.1:1/nowhere:1")
    stack = toy_stack(tmp_path, f"{toy_name}_baseless")
    with pytest.raises(
        UsageError, match=r"base image 127\.0\.0\.1:1/nowhere:1 is not here .*make bases.*BASE_REGISTRY="
    ):
        build_images([stack], [SLIM], report=quiet)
    assert engine.images.list(name=image_tag(stack, SLIM)) == []
    with pytest.raises(UsageError, match="one base for 3 images"):
        build_images([stack], list(images().values()), report=quiet)


def test_base_that_cannot_be_pulled_is_named_with_the_engines_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def pull(_: str) -> NoReturn:
        raise APIError("429 Client Error", explanation="toomanyrequests: you have reached your pull rate limit")

    monkeypatch.setattr(common.engine.builds, "find_image", lambda _: None)
    monkeypatch.setattr(common.engine.builds, "build_client", lambda: "docker")
    monkeypatch.setattr(common.engine.builds, "engine", lambda: SimpleNamespace(images=SimpleNamespace(pull=pull)))
    stack = toy_stack(tmp_path, "toy")
    with pytest.raises(UsageError, match="cannot be pulled: toomanyrequests: you have reached your pull rate limit"):
        build_images([stack], [SLIM], report=quiet)


@pytest.mark.parametrize("base", ["UPPER", "a b", f"x:{'t' * 200}", "x" * 256])
def test_invalid_name_of_a_base_is_one_clear_error(
    engine: DockerClient,  # noqa: ARG001
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    base: str,
) -> None:
    monkeypatch.setenv("BASE", base)
    with pytest.raises(UsageError, match=rf"^cannot look up the image {base}: [^\n]*$"):
        build_images([toy_stack(tmp_path, "toy")], [SLIM], report=quiet)


def test_image_name_that_is_too_long_is_one_clear_error(engine: DockerClient, tmp_path: Path) -> None:  # noqa: ARG001
    stack = toy_stack(tmp_path, "x" * 240)
    with pytest.raises(UsageError, match=r"^the image name [^\n]*x:native-slim-py3\.13 is too long for a log file"):
        build_images([stack], [SLIM], report=quiet)


def test_image_name_that_the_engine_refuses_is_one_clear_error(engine: DockerClient, tmp_path: Path) -> None:  # noqa: ARG001
    with pytest.raises(UsageError, match=r"^cannot look up the image [^\n]*/Toy:[^\n]*lowercase\.$"):
        build_images([toy_stack(tmp_path, "Toy")], [SLIM], report=quiet)


def test_file_in_place_of_the_cache_is_one_clear_error(
    engine: DockerClient,  # noqa: ARG001
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    (tmp_path / ".cache").touch()
    monkeypatch.setattr(common.engine.builds, "LOGS", tmp_path / ".cache" / "build")
    with pytest.raises(UsageError, match=rf"^{tmp_path}/\.cache is not a folder"):
        build_images([toy_stack(tmp_path, "toy")], [SLIM], report=quiet)


def test_context_excludes_stray_files(tmp_path: Path) -> None:
    stack = toy_stack(tmp_path, "toy")
    for stray in (".env", "__pycache__/app.pyc", ".venv/x"):
        file = stack.framework.folder / stray
        file.parent.mkdir(exist_ok=True)
        file.write_text("a stray file")
    context = tmp_path / "context"
    write_context(stack, context)
    assert {str(path.relative_to(context)) for path in context.rglob("*") if path.is_file()} >= {
        "Dockerfile",
        "app/app.py",
        "app/start",
        "healthcheck.py",
        "requirements.txt",
    }
    assert "a stray file" not in "".join(path.read_text() for path in context.rglob("*") if path.is_file())


def test_a_wheel_of_this_machine_is_put_beside_the_requirements(tmp_path: Path) -> None:
    wheel = write_wheel(make_folder(tmp_path / "dist"), "toy", "3.0")
    line = f"toy @ {wheel.as_uri()} \\\n    --hash=sha256:0\nother==1\n"
    with mock.patch.object(common.engine.build_context, "stack_requirements", return_value=line):
        write_context(toy_stack(tmp_path, "toy"), tmp_path / "context")
    written = (tmp_path / "context" / "requirements.txt").read_text()
    assert written == f"toy @ file:///packages/{wheel.name} \\\n    --hash=sha256:0\nother==1\n"
    assert (tmp_path / "context" / wheel.name).read_bytes() == wheel.read_bytes()


def test_context_keeps_which_files_can_be_run(tmp_path: Path) -> None:
    stack = toy_stack(tmp_path, "toy")
    for name, mode in (("run", 0o700), ("data", 0o600), ("wide", 0o666)):
        (stack.framework.folder / name).touch()
        (stack.framework.folder / name).chmod(mode)
    (stack.framework.folder / "link").symlink_to("nowhere")
    write_context(stack, tmp_path / "context")
    modes = [stat.S_IMODE((tmp_path / "context" / "app" / name).stat().st_mode) for name in ("run", "data", "wide")]
    assert modes == [0o755, 0o644, 0o644]


def test_link_out_of_a_folder_is_one_clear_error(tmp_path: Path) -> None:
    (secret := tmp_path / "id").write_text("a secret")
    stack = toy_stack(tmp_path, "toy")
    (stack.framework.folder / "key").symlink_to(secret)
    with pytest.raises(UsageError, match=r"toy/key links to .*/id, and an image holds only what is in .*/toy"):
        write_context(stack, tmp_path / "context")
    assert not (tmp_path / "context").exists()


@pytest.mark.parametrize(
    ("file", "counts"),
    [
        ("docker/Dockerfile", True),
        ("docker/healthcheck.py", True),
        ("common/catalog/servers.py", True),
        ("common/contract/__init__.py", True),
        ("common/engine/build_context.py", True),
        ("common/packages/copies.py", True),
        ("docker/compose.yaml", False),
        ("docker/generator.Dockerfile", False),
        ("docker/bases/alpine.sh", False),
    ],
)
def test_revision_of_an_image_is_that_of_what_is_in_it(tmp_path: Path, file: str, *, counts: bool) -> None:
    assert (ROOT / file).exists()
    assert any((ROOT / file).is_relative_to(source) for source in sources(toy_stack(tmp_path, "toy"))) is counts


def test_a_start_script_listens_where_its_environment_says() -> None:
    for stack in stacks("all", "all", frameworks()):
        assert '"$HOST"' in start_script(stack), stack.framework.name


def test_a_start_script_takes_the_module_to_load_as_its_argument() -> None:
    known = frameworks()
    scripts = {name: start_script(stacks(name, "default", known)[0]) for name in ("flask", "aiohttp", "sanic")}
    assert scripts["flask"].endswith(' "${1-app}":app\n')
    assert scripts["aiohttp"] == '#!/bin/sh\nexec python "${1-app}".py "$HOST" "$PORT"\n'
    assert ' "${1-app}":app ' in scripts["sanic"]


def test_start_script_takes_port_and_workers_from_its_environment(tmp_path: Path) -> None:
    assert start_script(toy_stack(tmp_path, "toy")) == '#!/bin/sh\nexec python3 app.py "$PORT"\n'


@pytest.mark.parametrize(
    ("config", "python"),
    [({"Env": ["PATH=/bin", "PYTHON_VERSION=3.13.5"]}, "3.13.5"), ({"Env": None}, "3.13"), ({}, "3.13")],
)
def test_label_names_the_python_that_the_base_states(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, config: dict[str, Any], python: str
) -> None:
    base = SimpleNamespace(id="sha256:0", attrs={"Config": config})
    images_of_engine = SimpleNamespace(get=lambda _: base)
    monkeypatch.setattr(common.engine.builds, "engine", lambda: SimpleNamespace(images=images_of_engine))
    assert image_labels(toy_stack(tmp_path, "toy"), "base:1", "3.13")[PYTHON] == python


def test_pinned_versions_are_those_installed_on_linux() -> None:
    lock = "a==1 \\\n    --hash=sha256:0\n    # via b\nb==2 ; sys_platform == 'win32' \\\n    --hash=sha256:1\nc-d==3\n"
    assert pinned_versions(lock, "3.13") == {"a": "1", "c-d": "3"}


def test_the_version_of_a_wheel_is_in_its_name() -> None:
    lock = "c-d @ file:///cache/c_d-3.0%2Bx-py3-none-any.whl \\\n    --hash=sha256:0\n"
    assert pinned_versions(lock, "3.13") == {"c-d": "3.0+x"}
