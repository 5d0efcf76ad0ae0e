"""Tests of which stacks and sizes can be selected, and of the errors for those that cannot."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from common.catalog.frameworks import Interface, frameworks
from common.catalog.pythons import OWN_PYTHON
from common.catalog.servers import DEFAULTS, SERVERS
from common.catalog.sizes import Runtime, Size, parse_memory, parse_vcpu
from common.catalog.stacks import (
    Stack,
    StackName,
    compatible,
    image_tag,
    images,
    make_command,
    stacks,
    variables_selecting,
)
from common.errors import UsageError
from common.words import select
from tests.support.toy_stacks import toy_stack

KNOWN = frameworks()
CORES = len(os.sched_getaffinity(0))


def names(framework: str, server: str) -> list[str]:
    """Return the names of the selected stacks."""
    return [stack.name for stack in stacks(framework, server, KNOWN)]


@pytest.mark.parametrize(
    ("framework", "server", "chosen"),
    [
        ("falcON", "default", ["falcon+gunicorn-gthread"]),
        ("falcon-asgi", "default", ["falcon_asgi+uvicorn"]),
        ("aiohttp", "default", ["aiohttp+native"]),
        ("flask,fastapi", "Granian", ["fastapi+granian", "flask+granian"]),
        ("flask", "gunicorn_sync,gunicorn-gevent", ["flask+gunicorn-sync", "flask+gunicorn-gevent"]),
        (
            "starlette",
            "all",
            [
                "starlette+uvicorn",
                "starlette+uvicorn-h11",
                "starlette+uvicorn-worker",
                "starlette+gunicorn-asgi",
                "starlette+hypercorn",
                "starlette+daphne",
                "starlette+granian",
            ],
        ),
        ("default", "native", ["aiohttp+native"]),
        ("tornado,Default", "native", ["aiohttp+native", "tornado+native"]),
    ],
)
def test_stacks_are_the_selected_frameworks_on_the_selected_servers_that_can_serve_them(
    framework: str, server: str, chosen: list[str]
) -> None:
    assert names(framework, server) == chosen


def test_all_selects_every_framework_on_every_server_of_its_interface() -> None:
    expected = [
        f"{name}+{server.name}"
        for name, framework in KNOWN.items()
        for server in SERVERS.values()
        if framework.interface in server.interfaces
    ]
    assert names("all", "all") == expected
    assert len(names("all", "default")) == len(KNOWN)


def test_default_frameworks_are_those_whose_folders_say_so() -> None:
    chosen = {stack.framework.name for stack in stacks("default", "default", KNOWN)}
    assert chosen == {name for name, framework in KNOWN.items() if framework.default}
    assert {"raw_asgi", "raw_wsgi", "fastapi", "flask"} < chosen < set(KNOWN)


@pytest.mark.parametrize("interface", Interface)
def test_every_interface_has_a_default_server_that_supports_it(interface: Interface) -> None:
    assert interface in SERVERS[DEFAULTS[interface]].interfaces


def test_unavailable_stack_gives_the_reason_of_its_framework_or_its_server() -> None:
    (stack,) = stacks("flask", "gunicorn-gevent", KNOWN)
    assert stack.unavailable("docker", "alpine") == SERVERS["gunicorn-gevent"].unavailable["alpine"]
    assert stack.unavailable("docker", "slim") is None
    without = replace(stack.framework, unavailable={"docker": "of no image", "gunicorn-sync": "of this server"})
    assert Stack(framework=without, server=stack.server).unavailable("docker", "slim") == "of no image"
    assert Stack(framework=without, server=stack.server).unavailable("process") is None
    assert Stack(framework=without, server=SERVERS["gunicorn-sync"]).unavailable("process") == "of this server"


def test_wsgi_and_asgi_have_several_servers() -> None:
    assert len(compatible(KNOWN["flask"])) == 7
    assert len(compatible(KNOWN["fastapi"])) == 7


@pytest.mark.parametrize(
    ("framework", "server"), [("flask", "uvicorn"), ("flask,fastapi", "uvicorn"), ("default,Flask", "uvicorn")]
)
def test_framework_that_no_selected_server_can_serve_is_refused_with_those_that_can(
    framework: str, server: str
) -> None:
    with pytest.raises(UsageError, match=r"SERVER=uvicorn cannot serve flask \(wsgi\)\. Accepted: gunicorn-gthread, "):
        stacks(framework, server, KNOWN)


@pytest.mark.parametrize(
    ("vcpu", "memory", "size"),
    [
        ("1", None, Size()),
        ("0.25", "512m", Size(vcpu=0.25, memory_bytes=512 * 1024**2)),
        ("0.05", "512 MB", Size(vcpu=0.05, memory_bytes=512 * 1024**2)),
        ("1.0", "1g", Size(memory_bytes=1024**3)),
        (" 1.0 ", "1GiB", Size(memory_bytes=1024**3)),
        (str(CORES), "16384k", Size(vcpu=CORES, memory_bytes=16 * 1024**2)),
    ],
)
def test_size_is_parsed_from_what_users_type(vcpu: str, memory: str | None, size: Size) -> None:
    assert Size(vcpu=parse_vcpu(vcpu), memory_bytes=parse_memory(memory)) == size


@pytest.mark.parametrize("vcpu", ["0", "-1", "abc", "", "nan", "inf", "-inf", "0.049", str(CORES + 0.01), "1,5"])
def test_invalid_vcpu_is_refused_with_the_accepted_range(vcpu: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_vcpu(vcpu)
    assert str(caught.value).startswith(f"invalid VCPU={vcpu}: must be a number from 0.05 to {CORES} ")


@pytest.mark.parametrize(
    "memory", ["0", "512", "-1m", "15m", "9999g", "1.5g", "m", "", "1t", "512mm", "\N{ARABIC-INDIC DIGIT FIVE}12m"]
)
def test_invalid_memory_is_refused_with_the_accepted_range(memory: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_memory(memory)
    assert str(caught.value).startswith(f"invalid MEMORY={memory}: must be from 16m to ")


@pytest.mark.parametrize(("vcpu", "workers"), [(0.25, 1), (1, 1), (1.9, 1), (2, 2), (4.5, 4)])
def test_there_is_one_worker_per_whole_vcpu_and_at_least_one(vcpu: float, workers: int) -> None:
    assert Size(vcpu=vcpu).workers == workers


@pytest.mark.parametrize(
    ("name", "env", "expected"),
    [
        ("fat", {}, "python:3.13"),
        ("slim", {}, "python:3.13-slim"),
        ("alpine", {}, "python:3.13-alpine"),
        ("slim", {"BASE_REGISTRY": "mirror.example:5000/library/"}, "mirror.example:5000/library/python:3.13-slim"),
        ("slim", {"BASE": "mirror.example/own@sha256:12"}, "mirror.example/own@sha256:12"),
        ("slim", {"BASE": "own:1", "BASE_REGISTRY": "mirror.example"}, "own:1"),
        ("slim", {"BASE": "", "BASE_REGISTRY": ""}, "python:3.13-slim"),
    ],
)
def test_base_comes_from_the_table_unless_a_variable_overrides_it(
    name: str, env: dict[str, str], expected: str
) -> None:
    assert images()[name].base("3.13", env) == expected


def test_images_are_selected_like_every_other_name() -> None:
    assert select("Alpine,FAT", images(), variable="IMAGE") == ("fat", "alpine")
    with pytest.raises(UsageError, match=r"IMAGE=slimm is unknown\. Did you mean slim\?"):
        select("slimm", images(), variable="IMAGE")


def test_tag_contains_framework_server_image_and_python(tmp_path: Path) -> None:
    assert image_tag(toy_stack(tmp_path, "toy"), images()["slim"], "3.14") == (
        "api-framework-benchmark/toy:native-slim-py3.14"
    )


@pytest.mark.parametrize(
    ("python", "tag"), [("3.14t", "slim-py3.14t"), ("3.15+jit", "slim-py3.15"), ("pypy3.11", "slim-pypy3.11")]
)
def test_tag_tells_interpreters_apart_but_not_how_they_are_started(tmp_path: Path, python: str, tag: str) -> None:
    assert image_tag(toy_stack(tmp_path, "toy"), images()["slim"], python).endswith(f":native-{tag}")


@pytest.mark.parametrize(
    ("name", "python", "expected"),
    [
        ("slim", "3.15+jit", "mirror.example/python:3.15-slim"),
        ("fat", "pypy3.11", "mirror.example/pypy:3.11"),
        ("slim", "3.14t", "mirror.example/python:3.14t-slim"),
    ],
)
def test_base_is_that_of_the_interpreter(name: str, python: str, expected: str) -> None:
    assert images()[name].base(python, {"BASE_REGISTRY": "mirror.example"}) == expected


@pytest.mark.parametrize(
    ("name", "python", "kind"), [("alpine", "pypy3.11", "PyPy"), ("alpine", "3.14t", "free-threaded builds")]
)
def test_image_that_an_interpreter_lacks_is_refused_with_the_way_out(name: str, python: str, kind: str) -> None:
    reason = f"there is no {name} image of {kind}. BASE= names an image of your own"
    assert images()[name].unavailable(python, {}) == reason
    assert images()[name].unavailable(python, {"BASE": "own:1"}) is None
    with pytest.raises(UsageError, match=f"^IMAGE={name} cannot be used with PYTHON={python}: {reason}$"):
        images()[name].base(python, {})


NAMES = {
    "falcon": StackName(framework="falcon"),
    "falcon+granian@2.0.0": StackName(framework="falcon", server="granian@2.0.0"),
    "falcon+granian@slim": StackName(framework="falcon", server="granian", image="slim"),
    "falcon@4.2.0+granian@2.0.0@slim-py3.12": StackName(
        framework="falcon@4.2.0", server="granian@2.0.0", image="slim", python="3.12"
    ),
    "falcon+granian@py3.10": StackName(framework="falcon", server="granian", python="3.10"),
    "falcon+granian@py3.14t": StackName(framework="falcon", server="granian", python="3.14t"),
    "falcon+granian@slim-py3.15+jit": StackName(framework="falcon", server="granian", image="slim", python="3.15+jit"),
    "falcon+granian@pypy3.11": StackName(framework="falcon", server="granian", python="pypy3.11"),
}


@pytest.mark.parametrize("text", NAMES)
def test_the_name_that_a_table_prints_can_be_typed(text: str) -> None:
    assert str(NAMES[text]) == text
    assert StackName.parse(text, variable="A") == NAMES[text]


@pytest.mark.parametrize("place", ["slim", "py3.12", "slim-py3.12", "pypy3.11"])
def test_an_image_and_a_python_may_follow_a_colon(place: str) -> None:
    typed, printed = (StackName.parse(f"falcon+granian{sign}{place}", variable="A") for sign in ":@")
    assert typed == printed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"^invalid A=\(empty\): must be FRAMEWORK\[@VERSION"),
        ("falcon@", r"^invalid A=falcon@: must be FRAMEWORK"),
        ("falcon:slimmer", r"^A=slimmer is unknown\. Did you mean slim\?"),
        ("falcon:pypy", r"^A=pypy is unknown"),
        ("falcon+granian@slimm", r"^A=slimm is unknown\. Did you mean slim\?"),
        ("falcon:py9", r"^invalid A=\.\.\.py9: must be a version such as py3\.12"),
    ],
)
def test_a_text_that_names_no_stack_is_refused_with_what_does(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        StackName.parse(text, variable="A")


def test_what_is_usual_is_neither_in_a_name_nor_among_the_variables() -> None:
    usual = StackName(framework="falcon", server="granian", image="slim", python="3.13", runtime=Runtime.DOCKER)
    assert str(usual) == "falcon+granian@slim"
    assert usual.variables == {"FRAMEWORK": "falcon", "SERVER": "granian", "IMAGE": "slim"}
    process = replace(usual, image=None, python=OWN_PYTHON, runtime=Runtime.PROCESS)
    assert str(process) == "falcon+granian"
    assert process.variables == {"FRAMEWORK": "falcon", "SERVER": "granian", "RUNTIME": "process"}
    assert str(replace(usual, python="3.12", runtime=Runtime.FARGATE)) == "falcon+granian@slim-py3.12 on Fargate"


def test_several_stacks_are_selected_by_all_their_values() -> None:
    slim = StackName(framework="falcon", server="granian", image="slim", python="3.13")
    some = [slim, replace(slim, framework="flask"), replace(slim, image="fat", python="3.12")]
    assert variables_selecting(some) == {
        "FRAMEWORK": "falcon,flask", "SERVER": "granian", "IMAGE": "slim,fat", "PYTHON": "3.12"
    }  # fmt: skip


def test_values_of_a_command_are_quoted_for_a_shell_and_empty_ones_left_out() -> None:
    given = {"FRAMEWORK": "/home/me/my app", "SERVER": "", "VCPU": None}
    assert make_command("loadtest", given) == "make loadtest FRAMEWORK='/home/me/my app'"


@pytest.mark.parametrize(("text", "typed"), [("512m", "512m"), ("2g", "2048m"), ("20000k", "20000k"), (None, "")])
def test_a_memory_limit_is_written_as_it_is_typed(text: str | None, typed: str) -> None:
    size = Size(memory_bytes=parse_memory(text))
    assert size.memory == typed
    assert size.variables == ({"MEMORY": typed} if typed else {})
    assert replace(size, vcpu=0.5).variables["VCPU"] == "0.5"
