"""A run of every kind that an experiment writes: recorded ones, and made ones of the kinds that were never recorded."""

from collections.abc import Mapping, Sequence

from common.project import ROOT
from common.records.run import Run
from common.records.schema import Visit
from loadtests.campaign.store import RunFolder
from loadtests.experiments.causes.experiment import surroundings
from tests.support.extras_records import extras_run, windows
from tests.support.generator_records import CELLS, distributed_run, generator_run, generator_visit
from tests.support.records import history_run, load, setup, window, worker
from tests.support.traffic_records import a_causes_run, a_point, a_run, a_visit, answers

GOLDEN = ROOT / "tests" / "golden"
ROUNDS = range(1, 6)
Recorded = tuple[Run, Sequence[Visit]]


def runs_of_every_kind() -> Mapping[str, Recorded]:
    """Return runs with their visits, by a name for each."""
    golden = [folder for folder in sorted(GOLDEN.iterdir()) if not folder.name.startswith("published")]  # larger ones
    folders = [RunFolder(folder=folder) for folder in golden]
    return {folder.folder.name: (folder.run(), folder.visits()) for folder in folders} | _made()


def _made() -> dict[str, Recorded]:
    return {
        "bench-generator": _generators(),
        "causes": _causes(),
        "extras": _additions(),
        "history": _versions(),
        "latency": _traffic(),
        "master": _distributed(),
    }


def _generators() -> Recorded:
    visits = [generator_visit(cell, number, 9_000, error="it died") for number in ROUNDS for cell in CELLS]
    return generator_run(), visits


def _additions() -> Recorded:
    made = extras_run("a+b", "raw_x+b")
    return made, windows(made, 100, {addition.name: 10 for addition in made.additions}, [1.0] * 5)


def _causes() -> Recorded:
    points = surroundings("a+b", why_no_proxy="there is no docker-proxy")
    visits = [
        a_visit(point, number, {traffic.name: answers(0.001, 500) for traffic in point.traffic})
        for number in (1, 2)
        for point in points
        if point.missing is None
    ]
    return a_causes_run(points), visits


def _versions() -> Recorded:
    versions = {f"toy@{version}+native": version for version in ("1.0", "1.1", "2.0")}
    visits = [
        window(name, number, *((None, "it ended") if number == 1 else (load(10_000 * (1 + at)),)))
        for number in ROUNDS
        for at, name in enumerate(versions)
    ]
    return history_run(versions | {"toy@0.9+native": "0.9"}), visits


def _traffic() -> Recorded:
    points = [a_point(vcpu) for vcpu in (0.5, 1.0, 2.0)]
    visits = [
        a_visit(point, number, {traffic.name: answers(0.001, 2_000) for traffic in point.traffic}, 2**25)
        for number in ROUNDS
        for point in points
        if point.missing is None
    ]
    return a_run(points), visits


def _distributed() -> Recorded:
    found = load(workers=[worker(), worker(name="two", joined_late=True, generator_cpu_s=1.9)], server_gone="it died")
    return distributed_run(setup()), [window("http://127.0.0.1:8000", 1, found)]
