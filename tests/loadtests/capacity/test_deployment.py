"""The files of a plan are valid for the programs that read them, and say what the plan says."""

import json
import runpy
from pathlib import Path
from typing import Any

import botocore.session
import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml  # type: ignore[import-untyped]
from botocore.validate import ParamValidator
from check_jsonschema.builtin_schemas import get_builtin_schema  # type: ignore[import-untyped]
from jsonschema_rs import validator_for
from msgspec.structs import replace

from common.catalog.frameworks import frameworks
from common.catalog.servers import SERVERS, command
from common.catalog.sizes import Size, TaskArchitecture
from loadtests.capacity.deployment import Serving, files, most_tasks
from tests.loadtests.capacity.test_sentences import DEMAND, a_plan

KUBERNETES = "1.34"
PLAN = a_plan(size=Size(vcpu=0.5, memory_bytes=1024**3, worker_count=2))


def serving(framework: str = "falcon", server: str = "gunicorn-gthread", **changes: Any) -> Serving:  # noqa: ANN401
    line = command(frameworks()[framework], SERVERS[server], host="0.0.0.0", port=8000, workers=2)  # noqa: S104
    fields: dict[str, Any] = {"framework": framework, "image": "r.example/x:1", "line": line, "port": 8000}
    return Serving(**fields | {"architecture": TaskArchitecture.X86_64} | changes)


def kubernetes() -> tuple[dict[str, Any], dict[str, Any]]:
    deployment, autoscaler = yaml.safe_load_all(files(PLAN, DEMAND, serving())["kubernetes.yaml"])
    return deployment, autoscaler


def test_gunicorn_is_given_a_settings_file_with_the_options_of_its_command_line(tmp_path: Path) -> None:
    file = tmp_path / "gunicorn.conf.py"
    file.write_text(files(PLAN, DEMAND, serving())[file.name])
    settings = {name: value for name, value in runpy.run_path(str(file)).items() if not name.startswith("__")}
    assert settings == {
        "bind": "0.0.0.0:8000",
        "workers": 2,
        "keepalive": 75,
        "loglevel": "warning",
        "worker_tmp_dir": "/dev/shm",  # noqa: S108
        "timeout": 90,
        "graceful_timeout": 5,
        "control_socket_disable": True,
        "worker_class": "gthread",
        "threads": 16,
        "wsgi_app": "app:app",
    }


def test_any_other_server_is_given_its_arguments_one_a_line() -> None:
    lines = files(PLAN, DEMAND, serving("starlette", "uvicorn"))["uvicorn.args"].splitlines()
    assert {"--workers=2", "--port=8000", "app:app"} <= set(lines)


@pytest.mark.parametrize("number", [0, 1], ids=["Deployment", "HorizontalPodAutoscaler"])
def test_kubernetes_accepts_what_is_written_for_it(number: int) -> None:
    kubernetes_validate.validate(kubernetes()[number], KUBERNETES, strict=True)


def test_kubernetes_is_told_the_size_and_the_autoscaler_the_target() -> None:
    deployment, autoscaler = kubernetes()
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    amounts = {"cpu": "500m", "memory": "1024Mi"}
    assert container["resources"] == {"requests": amounts, "limits": amounts}
    assert {"name": "WORKERS", "value": "2"} in container["env"]
    assert "replicas" not in deployment["spec"], "the autoscaler sets them"
    spec = autoscaler["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (3, 6)
    assert spec["metrics"][0]["resource"]["target"]["averageUtilization"] == 62


def test_compose_accepts_what_is_written_for_it() -> None:
    text = yaml.safe_load(files(PLAN, DEMAND, serving())["compose.yaml"])
    validator_for(get_builtin_schema("vendor.compose-spec")).validate(text)
    deploy = text["services"]["falcon"]["deploy"]
    assert deploy == {"replicas": 3, "resources": {"limits": {"cpus": "0.5", "memory": "1024M"}}}


def test_ecs_accepts_what_is_written_for_it() -> None:
    definition = json.loads(files(PLAN, DEMAND, serving())["ecs-task-definition.json"])
    shape = (
        botocore.session.get_session().get_service_model("ecs").operation_model("RegisterTaskDefinition").input_shape
    )
    report = ParamValidator().validate(definition, shape)
    assert not report.has_errors(), report.generate_report()
    assert (definition["cpu"], definition["memory"]) == ("512", "1024")


def test_what_is_deployed_has_a_name_that_kubernetes_accepts() -> None:
    assert serving("django_ninja").name == "django-ninja"
    assert serving(framework="falcon", line=("gunicorn",)).name == "falcon"


@pytest.mark.parametrize(("connections", "most"), [(None, 6), (1000, 6), (160, 4), (128, 3)])
def test_an_autoscaler_never_starts_more_tasks_than_the_database_has_connections_for(
    connections: int | None, most: int
) -> None:
    """Each task has two workers with 16 connections, and during an update there is one task more."""
    assert most_tasks(PLAN, replace(DEMAND, connections=connections)) == most
