"""Tests of what candidates are called and where they are not available."""

from dataclasses import replace
from pathlib import Path

import pytest

from common.catalog.frameworks import App
from common.catalog.sizes import Runtime, Size
from common.catalog.stacks import images
from common.errors import UsageError
from common.runtimes.candidates import Candidate, candidate_from_cell, parse_size
from common.runtimes.container import limits
from tests.support.fargate_settings import fargate_settings
from tests.support.records import cell
from tests.support.toy_stacks import toy_stack


def candidate(tmp_path: Path, requires_python: str) -> Candidate:
    """Return a toy stack that needs certain Pythons, in the process runtime."""
    stack = toy_stack(tmp_path, "toy", unavailable={"alpine": "has no wheel"})
    return Candidate(stack=replace(stack, framework=replace(stack.framework, requires_python=requires_python)))


@pytest.mark.parametrize(
    ("place", "blocked"),
    [
        ("process", {"process"}),
        ("docker", {"docker", "fargate"}),
        ("fargate", {"fargate"}),
        ("slim", {"docker", "fargate"}),
        ("alpine", set()),
        ("native", {"process", "docker", "fargate"}),
    ],
)
def test_stack_is_unavailable_in_the_runtimes_that_its_folder_rules_out(
    tmp_path: Path, place: str, blocked: set[str]
) -> None:
    process = Candidate(stack=toy_stack(tmp_path, "toy", unavailable={place: "reason"}))
    docker = replace(process, image=images()["slim"])
    candidates = {"process": process, "docker": docker, "fargate": replace(docker, fargate=fargate_settings())}
    assert {name: one.unavailable for name, one in candidates.items() if one.unavailable} == dict.fromkeys(
        blocked, "reason"
    )


def test_process_is_unavailable_on_a_python_that_is_too_old(tmp_path: Path) -> None:
    assert candidate(tmp_path, ">=3.11").unavailable is None
    assert (candidate(tmp_path, ">=9.9").unavailable or "").startswith("it needs Python >=9.9, and this is 3.")


def test_interpreter_is_judged_by_its_own_version(tmp_path: Path) -> None:
    asked = replace(candidate(tmp_path, ">=3.11"), interpreter=Path("/opt/python3.9"), python="3.9")
    assert asked.unavailable == "it needs Python >=3.11, and this is 3.9"
    assert replace(asked, python="3.12").unavailable is None


@pytest.mark.parametrize(
    ("image", "python", "reason"),
    [
        ("slim", "3.13", None),
        ("slim", "3.12.4", None),
        ("slim", "3.11", "it needs Python >=3.12, and this is 3.11"),
        ("alpine", "3.11", "has no wheel"),
    ],
)
def test_image_is_judged_by_its_own_python(tmp_path: Path, image: str, python: str, reason: str | None) -> None:
    one = replace(candidate(tmp_path, ">=3.12"), image=images()[image], python=python)
    assert one.unavailable == reason


def test_memory_limit_is_taken_by_containers() -> None:
    assert parse_size(Runtime.DOCKER, "1", "512m") == Size(memory_bytes=512 * 1024**2)
    assert parse_size(Runtime.PROCESS, "1", None) == Size()


def test_a_quota_is_taken_by_containers_only() -> None:
    assert parse_size(Runtime.DOCKER, "0.5", None) == Size(vcpu=0.5)
    with pytest.raises(UsageError, match=r"VCPU=0\.5 needs RUNTIME=docker"):
        parse_size(Runtime.PROCESS, "0.5", None)


@pytest.mark.parametrize("memory", ["512m", "1g", "100000k"])
def test_memory_limit_of_a_process_is_refused_as_it_was_typed(memory: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parse_size(Runtime.PROCESS, "1", memory)
    assert str(refusal.value) == f"MEMORY={memory} needs RUNTIME=docker; RUNTIME=process has no memory limit."


def test_a_framework_without_service_py_is_unavailable_for_its_contract_only(tmp_path: Path) -> None:
    one = candidate(tmp_path, ">=3.11")
    assert one.unavailable is None
    assert one.serving(App.SERVICE).unavailable == "its service.py is not written yet"
    (one.stack.framework.folder / "service.py").touch()
    assert one.serving(App.SERVICE).unavailable is None


def test_orders_need_drivers_and_bring_them_along(tmp_path: Path) -> None:
    one = candidate(tmp_path, ">=3.11")
    (one.stack.framework.folder / "orders.py").touch()
    assert one.serving(App.ORDERS).unavailable == "its pyproject.toml names no drivers for orders.py"
    one = replace(one, stack=replace(one.stack, framework=replace(one.stack.framework, drivers=("driver",))))
    assert one.serving(App.ORDERS).unavailable is None
    image = replace(one, image=images()["slim"])
    assert {image.serving(app).tag for app in App} == {image.tag, f"{image.tag}-drivers"}
    assert image.serving(App.ORDERS).serving(App.SERVICE) == image.serving(App.SERVICE)
    on_pypy = replace(image, python="pypy3.11").serving(App.ORDERS)
    assert on_pypy.unavailable == "database drivers have no wheel for PyPy"


def test_a_service_does_not_run_on_fargate(tmp_path: Path) -> None:
    one = replace(candidate(tmp_path, ">=3.11"), image=images()["slim"], fargate=fargate_settings())
    (one.stack.framework.folder / "service.py").touch()
    assert one.unavailable is None
    assert one.serving(App.SERVICE).unavailable == "service.py runs as a process or in Docker only"


def test_additions_are_in_a_name_and_in_the_environment_of_the_server_and_nowhere_else(tmp_path: Path) -> None:
    bare = candidate(tmp_path, ">=3.11").serving(App.EXTRAS)
    adding = bare.serving(App.EXTRAS, ("middleware-1", "other"))
    assert adding.name == f"{bare.name} with middleware-1 and other"
    assert (bare.variables, adding.variables) == ({}, {"EXTRAS": "middleware-1,other"})
    assert replace(adding, says_calls=True).variables == {"EXTRAS": "middleware-1,other", "EXTRAS_SAY_CALLS": "1"}
    assert (adding.stack, adding.stack_name) == (bare.stack, bare.stack_name)
    assert adding.serving(App.APP).variables == {}


def test_a_recorded_cell_is_brought_up_again_with_its_additions() -> None:
    recorded = cell("falcon+gunicorn-gthread", app=App.EXTRAS, additions=["middleware-3"])
    assert candidate_from_cell(recorded).additions == ("middleware-3",)


@pytest.mark.parametrize("app", App)
def test_a_recorded_cell_is_brought_up_again_with_the_app_that_it_was_measured_with(app: App) -> None:
    assert candidate_from_cell(cell("falcon+gunicorn-gthread", app=app)).app is app


def test_a_jit_is_switched_on_wherever_its_server_starts_and_not_offered_where_it_cannot_be(tmp_path: Path) -> None:
    asked = replace(candidate(tmp_path, ">=3.11"), image=images()["slim"], python="3.15+jit")
    options = limits(Size(), [0], asked.traits)
    assert options["environment"]["PYTHON_JIT"] == "1"
    assert "PYTHON_JIT" not in limits(Size(), [0], replace(asked, python="3.15").traits)["environment"]
    assert asked.unavailable is None
    on_fargate = replace(asked, fargate=fargate_settings())
    assert on_fargate.unavailable == "a task starts with the image's own environment, so PYTHON= cannot name +jit"
