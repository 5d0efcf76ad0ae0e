"""The process runtime: a stack in its own environment, directly on this machine. It needs only Python."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from common.catalog.frameworks import App
from common.catalog.servers import command
from common.catalog.sizes import Size
from common.catalog.stacks import Stack
from common.errors import UsageError
from common.host.meters import GONE, metered_pids
from common.host.network import HOST, check_port, free_port
from common.host.readiness import answers, responds, wait_until
from common.host.supervisor import clean_environment, supervised
from common.packages.environments import environment
from common.project import ROOT
from common.records.run import WorkerState
from common.runtimes.inspection import worker_states
from common.runtimes.running_server import RunningServer


@contextmanager
def started(
    stack: Stack,
    size: Size,
    *,
    cores: Sequence[int],
    port: int | None = None,
    python: Path | None = None,
    app: App = App.APP,
    variables: Mapping[str, str] = {},
) -> Iterator[RunningServer]:
    """Start ``stack`` on ``cores`` and yield it as soon as its supervisor runs; end its whole process tree afterwards.

    ``python`` is the interpreter that runs it, by default the one that runs this program. It loads ``app`` of
    the framework's folder. ``variables`` are added to its environment.
    """
    refuse_quota(size)
    port = free_port() if port is None else check_port(port)
    is_ready = responds if app is App.APP else answers
    line = command(stack.framework, stack.server, host=HOST, port=port, workers=size.workers, module=app.module)
    folder = environment(stack, python)
    line = (f"{folder}/bin/{line[0]}", *line[1:])
    env = environ(stack, folder, variables)
    with supervised(line, cwd=stack.framework.folder, cores=cores, env=env) as program:
        url = f"http://{HOST}:{port}"
        yield RunningServer(
            url=url,
            client_prefix=(),
            cpu_meter=program.tree_meter,
            memory_meter=program.tree_meter,
            wait_until_ready=lambda: wait_until(
                lambda: is_ready(url), program.exit_reason, name=stack.name, output=program.output
            ),
            exit_reason=program.exit_reason,
            worker_states=lambda: _worker_states(folder, program.tree_meter),
            output=program.output,
        )


def _worker_states(folder: Path, meter: str) -> list[WorkerState]:
    """Ask the server's Python processes with the Python of their own environment; none if the server has exited."""
    try:
        pids = metered_pids(meter)
    except GONE:
        return []
    return worker_states([f"{folder}/bin/python"], pids)


def environ(stack: Stack, folder: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the stack's programs, with ``variables``; ``folder`` is its virtual environment."""
    inherited = clean_environment()  # without WEB_CONCURRENCY, GUNICORN_CMD_ARGS and the like
    return inherited | {
        "PATH": f"{folder}/bin:{inherited.get('PATH', os.defpath)}",
        "PYTHONPATH": f"{ROOT}:{stack.framework.folder}",
        "PYTHONDONTWRITEBYTECODE": "1",
        **variables,
    }


def refuse_quota(size: Size) -> None:
    """Raise ``UsageError`` for a size that takes a quota."""
    if size.vcpu < 1 or size.vcpu != int(size.vcpu):
        raise UsageError(f"VCPU={size.vcpu:g} needs RUNTIME=docker; RUNTIME=process takes whole vCPUs only.")
