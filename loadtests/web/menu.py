"""What the form offers: frameworks, and servers, images and sizes that fit each; and the stack that a form names."""

import os
import re
from collections.abc import Mapping

from common.catalog.frameworks import App, Framework, frameworks
from common.catalog.servers import DEFAULTS, SERVERS
from common.catalog.sizes import Runtime, Size, parse_memory, parse_vcpu, vcpus_of
from common.catalog.stacks import DEFAULT, Stack, compatible, images
from common.errors import UsageError
from common.runtimes.candidates import Candidate
from common.words import canonical, nearest_hint, one_of
from loadtests.scenarios.scenario import Scenario
from loadtests.web.switchboard import Choice, Menu, Offer, State, Wanted

SMALL_VCPUS = ("0.25", "0.5")
"""Shares of a core that the form proposes where there are quotas."""
FIELDS: Mapping[str, str] = {
    "FRAMEWORK": "framework",
    "SERVER": "server",
    "IMAGE": "image",
    "VCPU": "vCPU",
    "MEMORY": "memory",
}
"""The variables of the command line, and the names that the form gives them."""


def menu_of(first: Candidate, runtime: Runtime) -> Menu:
    """Return what can be brought up here; the stack that the command begins with is always among it."""
    offered = {name: _choice(framework, runtime) for name, framework in frameworks().items()}
    stack = first.stack
    usual = Choice(default=stack.server.name, servers={}, apps=_apps(stack.framework))
    own = offered.setdefault(stack.framework.name, usual)
    own.servers.setdefault(stack.server.name, [first.image.name] if first.image else [])
    return Menu(
        runtime=runtime,
        frameworks={name: choice for name, choice in sorted(offered.items()) if choice.servers},
        cores=len(os.sched_getaffinity(0)),
    )


def _choice(framework: Framework, runtime: Runtime) -> Choice:
    stacks = [Stack(framework=framework, server=server) for server in compatible(framework)]
    servers = {stack.server.name: found for stack in stacks if (found := _images(stack, runtime)) is not None}
    usual = DEFAULTS[framework.interface]
    default = usual if usual in servers else next(iter(servers), usual)
    return Choice(default=default, servers=servers, apps=_apps(framework))


def _apps(framework: Framework) -> tuple[App, ...]:
    return tuple(app for app in App if framework.has(app))


def _images(stack: Stack, runtime: Runtime) -> list[str] | None:
    """Return the images on which a stack is available, none as a process; ``None`` where it is not available."""
    if runtime is Runtime.PROCESS:
        return [] if Candidate(stack=stack).unavailable is None else None
    found = [name for name, image in images().items() if Candidate(stack=stack, image=image).unavailable is None]
    return found or None


def vcpus(menu: Menu) -> list[str]:
    """Return the sizes to choose from; with quotas, other ones can be typed as well."""
    whole = [str(count) for count in range(1, menu.cores + 1)]
    return whole if menu.runtime is Runtime.PROCESS else [*SMALL_VCPUS, *whole]


def fields(offer: Offer, menu: Menu) -> dict[str, dict[str, object]]:
    """Return the fields for the stack in the form that Locust's page takes, filled in with what is up.

    Its lists cannot depend on each other, so they hold what fits any framework.
    """
    cell, docker = offer.cell, menu.runtime is Runtime.DOCKER
    choices = menu.frameworks.values()
    found: dict[str, tuple[str, str, list[str] | None]] = {
        "framework": (cell.framework if cell else "", "the framework to load; START brings it up", [*menu.frameworks]),
        "server": (
            _server_shown(offer, menu),
            "its server, or default",
            [DEFAULT, *dict.fromkeys(server for choice in choices for server in choice.servers)],
        ),
        "vcpu": (f"{offer.size.vcpu:g}", "vCPUs of the server", None if docker else vcpus(menu)),
    }
    if docker:
        found["image"] = ((cell and cell.image) or "", "the base image of its container", [*images()])
        found["memory"] = (offer.size.memory, "its memory limit, such as 512m; empty for none", None)
    plain = {"is_secret": False, "is_required": False, "is_multiple": False}
    return {
        name: {**plain, "default_value": value, "help_text": about, "choices": offered}
        for name, (value, about, offered) in found.items()
    }


def wanted_of(form: Mapping[str, str], offer: Offer, menu: Menu, scenario: type[Scenario]) -> Wanted | None:
    """Return the stack that the form names, to be loaded by a scenario; ``None`` if that is up already.

    Raise ``UsageError`` if there is no such stack or size here, or if one is just being brought up.
    """
    cell = offer.cell
    if offer.state is State.STARTING or cell is None:
        raise UsageError(f"{offer.message}. Wait until it is up.")
    name = one_of(form.get("framework") or cell.framework, menu.frameworks, variable="FRAMEWORK")
    choice = menu.frameworks[name]
    if scenario.app not in choice.apps:
        able = ", ".join(framework for framework, other in menu.frameworks.items() if scenario.app in other.apps)
        file = scenario.app.file
        raise UsageError(f"FRAMEWORK={name} has no {file} yet, which {scenario.name()} loads. Accepted: {able}.")
    kept = cell.server if name == cell.framework and not form.get("framework") else DEFAULT
    server = _server(form.get("server") or kept, name, choice)
    wanted = Wanted(
        number=offer.number,
        framework=name,
        server=server,
        image=_image(form.get("image") or cell.image, name, server, choice),
        size=_size(form, offer, menu),
        app=scenario.app,
    )
    present = Wanted(
        number=offer.number,
        framework=cell.framework,
        server=cell.server,
        image=cell.image,
        size=offer.size,
        app=cell.app,
    )
    return None if offer.state is State.UP and wanted == present else wanted


def in_forms_words(text: str) -> str:
    """Return a message that names variables, as ``VCPU=9``, with the names of the form's fields: ``vCPU 9``."""
    return re.sub(rf"\b({'|'.join(FIELDS)})=", lambda found: f"{FIELDS[found[1]]} ", text)


def _server(text: str, framework: str, choice: Choice) -> str:
    if canonical(text) == DEFAULT:
        return choice.default
    by_name = {canonical(name): name for name in choice.servers}
    if (name := by_name.get(canonical(text))) is None:
        hint = "" if canonical(text) in map(canonical, SERVERS) else nearest_hint(text, choice.servers)
        accepted = f"Accepted: {DEFAULT}, {', '.join(choice.servers)}."
        raise UsageError(f"SERVER={text} cannot serve {framework} here.{hint} {accepted}")
    return name


def _image(text: str | None, framework: str, server: str, choice: Choice) -> str | None:
    offered = choice.servers[server]
    if not offered:
        return None
    if text not in offered:
        raise UsageError(f"IMAGE={text or '(empty)'} has no {framework} on {server}. Accepted: {', '.join(offered)}.")
    return text


def _size(form: Mapping[str, str], offer: Offer, menu: Menu) -> Size:
    text = form.get("vcpu") or f"{offer.size.vcpu:g}"
    if menu.runtime is Runtime.PROCESS:
        if (vcpu := vcpus_of(text)) not in map(float, vcpus(menu)):
            raise UsageError(f"invalid VCPU={text}: must be {' or '.join(vcpus(menu))}.")
        return Size(vcpu=vcpu)
    memory = form.get("memory", offer.size.memory)
    return Size(vcpu=parse_vcpu(text, menu.cores), memory_bytes=parse_memory(memory or None))


def _server_shown(offer: Offer, menu: Menu) -> str:
    """Return the server on the form: ``default`` for the framework's own, which then also fits another framework."""
    if offer.cell is None or menu.frameworks[offer.cell.framework].default == offer.cell.server:
        return DEFAULT
    return offer.cell.server
