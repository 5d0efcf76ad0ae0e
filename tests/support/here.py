"""Runs of a real stack in the process runtime, as it is here and now, so that they can be resumed."""

from typing import Any

from common.catalog.frameworks import frameworks
from common.catalog.runtimes import Runtime
from common.catalog.servers import SERVERS
from common.catalog.stacks import Stack
from common.host.machine import machine, revision
from common.records.run import Cell
from common.runtimes.candidates import Candidate
from loadtests.campaign.manifest import cell_of
from tests.support.records import run_head

NAME = "raw_wsgi+gunicorn-gthread"


def real_candidate() -> Candidate:
    """Return the stack that needs the least."""
    return Candidate(stack=Stack(framework=frameworks()["raw_wsgi"], server=SERVERS["gunicorn-gthread"]))


def real_cell() -> Cell:
    """Return its cell, with what is installed here."""
    return cell_of(real_candidate(), None)


def run_fields(rounds: int) -> dict[str, Any]:
    """Return the fields that every manifest begins with."""
    return run_head() | {
        "revision": revision(),
        "rounds": rounds,
        "runtime": Runtime.PROCESS,
        "machine": machine(),
    }
