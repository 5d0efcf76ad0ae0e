"""``make sizes``."""

from functools import partial
from typing import Annotated

from cyclopts import Parameter

from common.catalog.sizes import Runtime
from common.catalog.stacks import DEFAULT
from common.cli.parameters import FRAMEWORKS, IMAGES, SERVERS, Pythons, StackParameters
from common.registries.api import RegistryAddress
from common.runtimes.candidates import parse_runtime
from loadtests.campaign.loop import start
from loadtests.campaign.parameters import RunParameters
from loadtests.campaign.resume import resumable
from loadtests.experiments.sizes.experiment import begin_sizes


@resumable
def sizes(
    *,
    framework: Annotated[str, Parameter(help=FRAMEWORKS)] = DEFAULT,
    server: Annotated[str, Parameter(help=SERVERS)] = DEFAULT,
    image: Annotated[str, Parameter(help=IMAGES)] = "all",
    registry: Annotated[
        str | None, Parameter(help="Registry to read images back from, HOST[:PORT][/PREFIX]; a local one unless given.")
    ] = None,
    python: Pythons = None,
    run: RunParameters = RunParameters(),
) -> None:
    """Measure the bytes of libraries and images: uncompressed, compressed, over the base; the biggest packages."""
    terminal = run.terminal()
    address = None if registry is None else RegistryAddress.parse(registry)
    runtime = parse_runtime("auto")
    images = image if runtime is Runtime.DOCKER else None
    stacks = StackParameters(framework=framework, server=server, image=images, python=python)
    begin = partial(
        begin_sizes, stacks.candidates(runtime), address=address, runtime=runtime, messages=terminal.messages
    )
    start("sizes", begin, run, terminal)
