"""The form offers what fits, asks for another stack only where it names one, and refuses the rest in its own words."""

import dataclasses

import pytest
from msgspec.structs import replace

from common.catalog.frameworks import App, frameworks
from common.catalog.servers import SERVERS
from common.catalog.sizes import Runtime
from common.catalog.stacks import Stack
from common.errors import UsageError
from common.runtimes.candidates import Candidate
from loadtests.scenarios.workloads import Hello, Order, Quotes
from loadtests.web.menu import fields, in_forms_words, menu_of, vcpus, wanted_of
from loadtests.web.switchboard import Choice, Offer, State
from tests.support.records import cell

UP = Offer(number=3, state=State.UP, message="", cell=cell("falcon+gunicorn-gthread", image="slim"))
OWN = replace(UP, cell=cell("my-app-local+native", interface="native", image="slim"))
FALCON = Candidate(stack=Stack(framework=frameworks()["falcon"], server=SERVERS["gunicorn-gthread"]))
DOCKER = menu_of(FALCON, Runtime.DOCKER)
DOCKER = replace(
    DOCKER,
    frameworks={**DOCKER.frameworks, "my-app-local": Choice(default="native", servers={"native": ["slim"]})},
    cores=2,
)
PROCESS = replace(menu_of(FALCON, Runtime.PROCESS), cores=2)


def shown(offer: Offer) -> dict[str, str]:
    """Return what the form sends if nothing on it is changed."""
    return {name: str(one["default_value"]) for name, one in fields(offer, DOCKER).items()}


def refused(change: dict[str, str]) -> str:
    """Return why the form is refused, in its words."""
    with pytest.raises(UsageError) as refusal:
        wanted_of(shown(UP) | change, UP, DOCKER, Hello)
    return in_forms_words(str(refusal.value))


def test_the_form_shows_what_is_up() -> None:
    assert shown(UP) == {"framework": "falcon", "server": "default", "image": "slim", "vcpu": "1", "memory": ""}
    other = replace(UP, cell=cell("falcon+granian", image="slim"))
    assert shown(other)["server"] == "granian"


def test_processes_have_neither_images_nor_limits_and_whole_cores() -> None:
    assert set(fields(UP, PROCESS)) == {"framework", "server", "vcpu"}
    assert vcpus(PROCESS) == ["1", "2"]
    assert vcpus(DOCKER) == ["0.25", "0.5", "1", "2"]


def test_only_servers_and_images_that_fit_a_framework_are_offered() -> None:
    for menu in (PROCESS, DOCKER):
        for name, choice in menu.frameworks.items():
            if name in frameworks():
                interface = frameworks()[name].interface
                assert all(interface in SERVERS[server].interfaces for server in choice.servers), name
                assert choice.default in choice.servers, name
    assert "alpine" not in DOCKER.frameworks["robyn"].servers["native"], "it has no wheel for musl"
    assert "alpine" in DOCKER.frameworks["falcon"].servers["gunicorn-gthread"]


def test_a_stack_of_the_users_own_is_offered_as_it_is() -> None:
    framework = dataclasses.replace(frameworks()["falcon"], name="falcon@3.1.3")
    own = Candidate(stack=Stack(framework=framework, server=SERVERS["granian"]))
    assert menu_of(own, Runtime.PROCESS).frameworks["falcon@3.1.3"].servers == {"granian": []}


@pytest.mark.parametrize("offer", [UP, OWN])
def test_a_form_that_nobody_changed_asks_for_nothing(offer: Offer) -> None:
    assert wanted_of(shown(offer), offer, DOCKER, Hello) is None
    assert wanted_of({}, offer, DOCKER, Hello) is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"framework": "flask"}, "flask"),
        ({"server": "granian"}, "granian"),
        ({"image": "alpine"}, "alpine"),
        ({"vcpu": "0.5"}, 0.5),
        ({"memory": "64m"}, 64 * 1024**2),
    ],
)
def test_every_change_asks_for_another_stack(change: dict[str, str], expected: object) -> None:
    wanted = wanted_of(shown(UP) | change, UP, DOCKER, Hello)
    assert wanted is not None
    assert expected in {wanted.framework, wanted.server, wanted.image, wanted.size.vcpu, wanted.size.memory_bytes}


@pytest.mark.parametrize("form", [{}, shown(UP)])
def test_a_stack_that_is_down_is_asked_for_again(form: dict[str, str]) -> None:
    wanted = wanted_of(form, replace(UP, state=State.FAILED), DOCKER, Hello)
    assert wanted is not None
    assert (wanted.framework, wanted.server, wanted.image) == ("falcon", "gunicorn-gthread", "slim")


def test_a_limit_of_memory_is_shown_as_it_was_typed() -> None:
    wanted = wanted_of(shown(UP) | {"memory": "64m"}, UP, DOCKER, Hello)
    assert wanted is not None
    limited = replace(UP, size=wanted.size)
    assert shown(limited)["memory"] == "64m"
    assert wanted_of(shown(limited), limited, DOCKER, Hello) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"framework": "flacon"}, "framework flacon is unknown. Did you mean falcon?"),
        ({"server": "uvicorn"}, "server uvicorn cannot serve falcon here. Accepted: default, gunicorn-gthread,"),
        ({"server": "granain"}, "server granain cannot serve falcon here. Did you mean granian?"),
        ({"server": "all"}, "server all cannot serve falcon here."),
        ({"image": "tiny"}, "image tiny has no falcon on gunicorn-gthread. Accepted: fat, slim, alpine."),
        ({"vcpu": "9"}, "invalid vCPU 9: must be a number from 0.05 to 2 (this machine's cores)."),
        ({"memory": "1k"}, "invalid memory 1k: must be from 16m to"),
    ],
)
def test_what_cannot_be_had_is_refused_in_the_words_of_the_form(change: dict[str, str], message: str) -> None:
    assert refused(change).startswith(message)


def test_a_share_of_a_core_is_refused_where_there_are_no_quotas() -> None:
    with pytest.raises(UsageError, match=r"invalid VCPU=0\.5: must be 1 or 2\."):
        wanted_of({"vcpu": "0.5"}, UP, PROCESS, Hello)


def test_nothing_can_be_asked_for_while_a_stack_is_brought_up() -> None:
    starting = replace(UP, state=State.STARTING, message="flask+granian is being brought up")
    with pytest.raises(UsageError, match=r"being brought up\. Wait until it is up"):
        wanted_of(shown(UP), starting, DOCKER, Hello)


def test_a_scenario_of_the_service_asks_for_the_app_that_it_loads_and_another_for_the_usual_one() -> None:
    wanted = wanted_of(shown(UP), UP, DOCKER, Quotes)
    assert wanted is not None
    assert wanted.app is App.SERVICE
    assert UP.cell is not None
    serving = replace(UP, cell=replace(UP.cell, app=App.SERVICE))
    assert wanted_of(shown(serving), serving, DOCKER, Quotes) is None
    back = wanted_of(shown(serving), serving, DOCKER, Hello)
    assert back is not None
    assert back.app is App.APP


def test_a_framework_without_a_service_is_refused_by_the_names_of_those_that_have_one() -> None:
    with pytest.raises(UsageError, match=r"FRAMEWORK=microdot has no service\.py yet, .*Accepted: .*falcon.*\."):
        wanted_of(shown(UP) | {"framework": "microdot"}, UP, DOCKER, Quotes)


def test_a_framework_without_orders_is_refused_by_the_names_of_those_that_have_some() -> None:
    with pytest.raises(UsageError, match=r"FRAMEWORK=microdot has no orders\.py yet, .*Accepted: .*falcon.*\."):
        wanted_of(shown(UP) | {"framework": "microdot"}, UP, DOCKER, Order)
