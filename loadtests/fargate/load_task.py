"""The program of a task that loads another: it does what its order says and gives the records to who asks for them.

``GET /hello`` is answered as soon as it runs, ``GET /answer`` with 503 until it is done. Who asked stops the task; one
that was forgotten ends by itself.
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
from common.runtimes.base import RunningServer
from loadtests.latency.visits import load_all
from loadtests.windows import throughput
from loadtests.windows.generator import GeneratorError
from loadtests.windows.second_task import WINDOW, Answer, Order, code

LINGER_S = 300.0
"""How long an answer is kept for who asks for it."""


class Stamp(Struct, frozen=True, kw_only=True):
    """What every order says of itself, whatever code it is of."""

    code: str


def perform(text: str) -> Answer:
    """What came of an order; nothing is raised."""
    if msgspec.json.decode(text, type=Stamp).code != code():
        return Answer(other_code=True)
    order = msgspec.json.decode(text, type=Order)
    loads: dict[str, Load] = {}
    try:
        _load(order, loads)
    except GeneratorError as error:
        return Answer(loads=loads, broken=str(error))
    except FailedError as error:
        return Answer(loads=loads, lost=str(error))
    except (BenchmarkError, OSError) as error:
        return Answer(loads=loads, broken=str(error))
    return Answer(loads=loads)


def _load(order: Order, loads: dict[str, Load]) -> None:
    cores = sorted(os.sched_getaffinity(0))
    run = replace(order.run, server_cores=[], generator_cores=cores)
    running = RunningServer(url=order.url, client_prefix=(), cpu_meter=None, exit_reason=lambda: None)
    if order.point is None or order.step is None:
        loads[WINDOW] = throughput.measure(running, run, seed=order.seed)
    else:
        point = replace(order.point, server_cores=[], generator_cores=cores)
        load_all(run, order.step, point, running, loads)


class _Handler(BaseHTTPRequestHandler):
    answers: dict[str, bytes]

    def do_GET(self) -> None:
        body = self.answers.get(self.path)
        self.send_response(HTTPStatus.SERVICE_UNAVAILABLE if body is None else HTTPStatus.OK)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- as the base class names it
        """Nothing: a log is for what goes wrong."""


def main(order: str, port: int = PORT) -> int:
    """Do what ``order`` says, and be asked for what came of it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the first process of a container has no default
    _Handler.answers = {"/hello": b""}
    with ThreadingHTTPServer(("", port), _Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        _Handler.answers["/answer"] = msgspec.json.encode(perform(order))
        time.sleep(LINGER_S)
        server.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
