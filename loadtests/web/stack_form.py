"""The choice of the stack in the web UI: the fields of its forms, and the stack that a form asks for. Pure."""

from collections.abc import Mapping

import msgspec

from common.catalog.frameworks import Interface, frameworks
from common.catalog.images import images
from common.catalog.runtimes import Runtime
from common.catalog.selection import one_of
from common.catalog.servers import DEFAULTS, SERVERS
from common.catalog.stacks import DEFAULT
from loadtests.web.switchboard import Offer, State, Wanted


def choices(offer: Offer, runtime: Runtime) -> dict[str, list[str] | None]:
    """Return what can be chosen by the fields' names; ``None`` for free text, nothing where it has no meaning.

    What is up is among the frameworks, also if it is one at another version or in a folder of the user's own.
    """
    docker = runtime is Runtime.DOCKER
    return {
        "framework": sorted({*frameworks(), *([offer.cell.framework] if offer.cell else [])}),
        "server": [DEFAULT, *SERVERS],
        "image": list(images()) if docker else [],
        "memory": None if docker else [],
    }


def fields(offer: Offer, runtime: Runtime) -> dict[str, dict[str, object]]:
    """Return the fields for the stack in the form that Locust's page takes, filled in with what is up."""
    offered = choices(offer, runtime)
    plain = {"is_secret": False, "is_required": False, "is_multiple": False}
    found: dict[str, dict[str, object]] = {}
    for name, (value, about) in {
        "framework": (offer.cell.framework if offer.cell else "", "the framework to load; START brings it up"),
        "server": (_server_shown(offer), "its server, or default"),
        "image": (offer.cell.image if offer.cell else "", "the base image of its container"),
        "vcpu": (f"{offer.size.vcpu:g}", "vCPUs of the server, such as 0.5"),
        "memory": ((offer.wanted and offer.wanted.memory) or "", "its memory limit, such as 512m; empty for none"),
    }.items():
        if offered.get(name) != []:
            found[name] = {**plain, "default_value": value, "help_text": about, "choices": offered.get(name)}
    return found


def wanted_of(form: Mapping[str, str], offer: Offer, runtime: Runtime) -> Wanted | None:
    """Return the stack that the form names; ``None`` where it names none, or the one that is up.

    Raise ``UsageError`` if the framework is unknown.
    """
    if not (name := form.get("framework")):
        return None
    docker, known = runtime is Runtime.DOCKER, offer.cell is not None and name == offer.cell.framework
    wanted = Wanted(
        number=0,
        framework=name if known else one_of(name, frameworks(), variable="FRAMEWORK"),
        server=form.get("server") or DEFAULT,
        image=(form.get("image") or None) if docker else None,
        vcpu=form.get("vcpu") or f"{offer.size.vcpu:g}",
        memory=(form.get("memory") or None) if docker else None,
    )
    present = offer.wanted and msgspec.structs.replace(offer.wanted, number=0)
    is_same = offer.state is State.UP and (wanted == present or _is_first(wanted, offer))
    return None if is_same else wanted


def _server_shown(offer: Offer) -> str:
    """Return the server on the form: ``default`` where it is that of the framework, so that another one fits too."""
    if offer.wanted is not None or offer.cell is None:
        return offer.wanted.server if offer.wanted else DEFAULT
    return DEFAULT if DEFAULTS[Interface(offer.cell.interface)] == offer.cell.server else offer.cell.server


def _is_first(wanted: Wanted, offer: Offer) -> bool:
    """Return whether a form asks for the stack that the command itself brought up."""
    cell = offer.cell
    return (
        offer.wanted is None
        and cell is not None
        and (wanted.framework, wanted.image or cell.image) == (cell.framework, cell.image)
        and wanted.server in {cell.server, DEFAULT}
        and (wanted.vcpu, wanted.memory) == (f"{offer.size.vcpu:g}", None)
    )
