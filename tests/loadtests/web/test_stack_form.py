"""The form shows what is up, and asks for another stack only where it names one."""

import pytest
from msgspec.structs import replace

from common.catalog.runtimes import Runtime
from common.errors import UsageError
from loadtests.web.stack_form import choices, fields, wanted_of
from loadtests.web.switchboard import Offer, State
from tests.support.records import cell

UP = Offer(number=0, state=State.UP, message="", cell=cell("falcon+gunicorn-gthread", image="slim"))
OWN = replace(UP, cell=cell("my-app-local+native", interface="native", image="slim"))


def shown(offer: Offer, runtime: Runtime = Runtime.DOCKER) -> dict[str, str]:
    """Return what the form sends if nothing on it is changed."""
    return {name: str(one["default_value"]) for name, one in fields(offer, runtime).items()}


def test_the_form_shows_what_is_up() -> None:
    assert shown(UP) == {"framework": "falcon", "server": "default", "image": "slim", "vcpu": "1", "memory": ""}
    other = replace(UP, cell=cell("falcon+granian", image="slim"))
    assert shown(other)["server"] == "granian"


def test_processes_have_neither_images_nor_limits() -> None:
    assert set(shown(UP, Runtime.PROCESS)) == {"framework", "server", "vcpu"}


@pytest.mark.parametrize("offer", [UP, OWN])
def test_a_form_that_nobody_changed_asks_for_nothing(offer: Offer) -> None:
    assert wanted_of(shown(offer), offer, Runtime.DOCKER) is None
    assert offer.cell is not None
    assert offer.cell.framework in (choices(offer, Runtime.DOCKER)["framework"] or [])


@pytest.mark.parametrize(
    "change", [{"framework": "flask"}, {"server": "granian"}, {"image": "alpine"}, {"vcpu": "0.5"}, {"memory": "64m"}]
)
def test_every_change_asks_for_another_stack(change: dict[str, str]) -> None:
    wanted = wanted_of(shown(UP) | change, UP, Runtime.DOCKER)
    assert wanted is not None
    ((name, value),) = change.items()
    assert getattr(wanted, name) == value


def test_an_unknown_framework_is_refused() -> None:
    with pytest.raises(UsageError, match=r"FRAMEWORK=flacon is unknown\. Did you mean falcon"):
        wanted_of(shown(UP) | {"framework": "flacon"}, UP, Runtime.DOCKER)
