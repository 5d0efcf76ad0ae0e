"""A manifest says what will be measured, how and on which machine."""

import random
import re
import sys

import pytest

from common.catalog.sizes import Runtime, Size
from common.host.cores import split_cores
from common.host.machine import machine
from common.records.load import LoadSpec
from common.records.run import SECOND_TASK_PATH, Cell, Conformance
from common.runtimes.fargate import GENERATOR_SIZE
from loadtests.campaign.manifest import RunIdentity, cells_of, command_line, controls, run_fields, setup_for
from tests.support.here import NAME, real_candidate, real_cell
from tests.support.records import cell

LOAD = LoadSpec(scenario="hello", users=16, delay_ms=100, warmup_s=1.0, window_s=2.0)
BROKEN = Conformance(passed=0, failed={"hello": "500"}, duration_s=1)


def test_a_runs_id_holds_its_start_time_name_and_seed() -> None:
    identity = RunIdentity.new("loadtest", 7)
    assert re.fullmatch(r"\d{8}T\d{6}Z-loadtest-7", identity.id)
    assert identity.id.startswith(f"{identity.started_at:%Y%m%dT%H%M%SZ}")
    assert identity.seed == 7


def test_a_seed_is_drawn_unless_one_is_given_even_zero() -> None:
    assert RunIdentity.new("loadtest", None).seed != RunIdentity.new("loadtest", None).seed
    assert RunIdentity.new("loadtest", 0).seed == 0


def test_a_manifest_begins_with_the_command_line_and_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "loadtests", "loadtest", "--framework=a b"])
    identity = RunIdentity.new("loadtest", 7)
    fields = run_fields(identity, runtime=Runtime.PROCESS, rounds=3)
    assert (fields["id"], fields["seed"], fields["rounds"]) == (identity.id, 7, 3)
    assert fields["command_line"] == [command_line()] == ["python -m loadtests loadtest '--framework=a b'"]
    assert fields["machine"] == machine()


def test_server_and_generator_have_separate_cores_if_there_are_enough() -> None:
    setup, cores = setup_for(LOAD, Size(), Runtime.PROCESS), split_cores(1)
    assert (setup.server_cores, setup.generator_cores) == (list(cores.server), list(cores.generator))
    assert (setup.load_path, setup.load, setup.ceiling) == ("loopback", LOAD, None)


def test_servers_on_fargate_have_no_cores_here() -> None:
    setup = setup_for(LOAD, Size(), Runtime.FARGATE)
    assert setup.server_cores == []
    assert "AWS" in setup.load_path


def test_load_from_a_second_task_has_that_tasks_cores() -> None:
    setup = setup_for(LOAD, Size(), Runtime.FARGATE, load_from_task=True)
    assert (setup.server_cores, len(setup.generator_cores)) == ([], GENERATOR_SIZE.vcpu)
    assert setup.load_path == SECOND_TASK_PATH


def _cells(*names: str, conformance: Conformance | None = None) -> list[Cell]:
    return [cell(name, conformance=conformance) for name in names]


def test_a_control_is_a_second_copy_of_a_cell_chosen_by_the_seed() -> None:
    cells = _cells("a", "b", "c", "d")
    (copy,) = controls(cells, 1)
    assert copy.name == f"{copy.control_of}#2"
    assert controls(cells, 1) == [copy]
    assert len({controls(cells, seed)[0].name for seed in range(20)}) == 4


def test_a_nonconforming_cell_is_not_a_control() -> None:
    cells = [*_cells("a", "b", conformance=BROKEN), *_cells("c", "d", conformance=BROKEN)]
    assert controls(cells, 1) == []
    sound = _cells("e")
    assert {controls([*cells, *sound], seed)[0].control_of for seed in range(10)} == {"e"}


def test_drawing_a_control_leaves_other_draws_as_they_are() -> None:
    random.seed(3)
    expected = random.random()  # noqa: S311 -- not for secrets
    random.seed(3)
    controls(_cells("a", "b"), 1)
    assert random.random() == expected  # noqa: S311


def test_a_cell_records_installed_versions() -> None:
    found = real_cell()
    assert (found.name, found.framework, found.server) == (NAME, "raw_wsgi", "gunicorn-gthread")
    assert found.packages["gunicorn"]
    assert found.command[0] == "gunicorn"
    assert "{port}" in " ".join(found.command)
    assert found.python.startswith(f"{sys.version_info.major}.{sys.version_info.minor}.")
    assert found.image is None


def test_only_candidates_with_a_conformance_result_become_cells() -> None:
    good = Conformance(passed=9, duration_s=1)
    (found,) = cells_of([real_candidate()], {NAME: good})
    assert found.conformance == good
    assert cells_of([real_candidate()], {}) == []
