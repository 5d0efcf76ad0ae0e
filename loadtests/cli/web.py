"""``make web``: a stack with Locust's web UI on it."""

from dataclasses import replace
from typing import Annotated

from cyclopts import Parameter

from common.catalog.frameworks import frameworks
from common.cli.parameters import Port, SizeParameters, StackParameter
from common.console import Terminal
from common.runtimes.candidates import require_local
from common.runtimes.preparation import prepare
from loadtests.campaign.loop import hold_machine
from loadtests.campaign.parameters import within
from loadtests.web.serving import WebUi, open_web


def web(
    stack: StackParameter = StackParameter(),
    *,
    size: SizeParameters = SizeParameters(),
    port: Port = 8089,
    web_host: Annotated[
        str, Parameter(help="Address to listen on; others than this machine's own ask for a password.")
    ] = "127.0.0.1",
    processes: Annotated[int, within(0, 64, "Locust worker processes; 0 for one in all.")] = 0,
) -> None:
    """Bring a stack up with Locust's web UI on it, where others can be chosen, until Ctrl-C."""
    terminal, runtime = Terminal(), require_local(stack.parse_runtime())
    given = size.parse(runtime)
    asked = stack if stack.framework else replace(stack, framework=min(frameworks()))
    candidate = asked.candidate(runtime)
    with hold_machine("web", terminal):
        prepare([candidate], terminal.messages)
        open_web(candidate, given, WebUi(port=port, host=web_host, processes=processes), terminal, runtime=runtime)
