"""The program of a Fargate task that loads another task: it carries out its order and returns the records.

``GET /hello`` is answered as soon as the program runs, ``GET /answer`` with 503 until the order is carried out. The
command that gave the order stops the task; a forgotten task ends by itself.
"""

import os
import signal
import sys
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from common.engine.build_context import PORT
from common.errors import BenchmarkError, FailedError
from common.records.window import Load
from common.runtimes.running_server import RunningServer
from loadtests.experiments.latency.by_task import WINDOW, LoadOrder, LoadResult, code_digest
from loadtests.experiments.latency.visit import load_all
from loadtests.windows import by_locust
from loadtests.windows.tools import GeneratorError

LINGER_S = 300.0
"""The time in which a result can be fetched before the task ends."""


class Stamp(Struct, frozen=True, kw_only=True):
    """The part of an order that every version of the code can read."""

    code: str


def perform(text: str) -> LoadResult:
    """Carry out an order and return its result; errors are part of the result."""
    if msgspec.json.decode(text, type=Stamp).code != code_digest():
        return LoadResult(stale_image=True)
    order = msgspec.json.decode(text, type=LoadOrder)
    loads: dict[str, Load] = {}
    try:
        _load(order, loads)
    except GeneratorError as error:
        return LoadResult(loads=loads, generator_error=str(error))
    except FailedError as error:
        return LoadResult(loads=loads, server_error=str(error))
    except (BenchmarkError, OSError) as error:
        return LoadResult(loads=loads, generator_error=str(error))
    return LoadResult(loads=loads)


def _load(order: LoadOrder, loads: dict[str, Load]) -> None:
    cores = sorted(os.sched_getaffinity(0))
    setup = replace(order.setup, server_cores=[], generator_cores=cores)
    running = RunningServer(url=order.url, client_prefix=(), cpu_meter=None, exit_reason=lambda: None)
    if order.point is None:
        loads[WINDOW] = by_locust.measure(running, setup, seed=order.seed)
        return
    point = replace(order.point, server_cores=[], generator_cores=cores)
    load_all(running, point, setup, loads, seed=order.seed or 0, order=order.traffic_seed)


class _Handler(BaseHTTPRequestHandler):
    answers: dict[str, bytes]

    def do_GET(self) -> None:
        body = self.answers.get(self.path)
        self.send_response(HTTPStatus.SERVICE_UNAVAILABLE if body is None else HTTPStatus.OK)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- as the base class names it
        """Log nothing, so that the log holds only errors."""


def main(order: str, port: int = PORT) -> int:
    """Carry out ``order`` and serve its result."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # PID 1 of a container has no default handler
    _Handler.answers = {"/hello": b""}
    with ThreadingHTTPServer(("", port), _Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        _Handler.answers["/answer"] = msgspec.json.encode(perform(order))
        time.sleep(LINGER_S)
        server.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
