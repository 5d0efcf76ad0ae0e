"""A capacity plan as files to deploy it with: the server's settings, Compose, Kubernetes and ECS. Pure."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml  # type: ignore[import-untyped]

from common.catalog.sizes import TaskArchitecture
from common.records.capacity import Demand, TaskPlan

GROWTH = 2
"""How many times the planned tasks an autoscaler may start, unless the database's connections allow fewer."""
GUNICORN_SETTINGS = {"keep-alive": "keepalive", "log-level": "loglevel", "no-control-socket": "control_socket_disable"}
"""Settings of Gunicorn whose names differ from those of its options."""
MIB = 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """How a stack is served: its image, and the command line of its server in it."""

    framework: str
    image: str
    line: Sequence[str]
    port: int
    architecture: TaskArchitecture

    @property
    def name(self) -> str:
        """What is deployed is called so: its framework's name as a label of DNS, which Kubernetes asks for."""
        return re.sub(r"[^a-z0-9]+", "-", self.framework.casefold()).strip("-")[:63]

    @property
    def program(self) -> str:
        """The server's program."""
        return self.line[0]


def files(plan: TaskPlan, demand: Demand, serving: Serving) -> Mapping[str, str]:
    """Return the content of each file by its name."""
    kubernetes = [_deployment(plan, serving), _autoscaler(plan, demand, serving)]
    return {
        **_server_settings(serving),
        "compose.yaml": _as_yaml([_compose(plan, serving)]),
        "kubernetes.yaml": _as_yaml(kubernetes),
        "ecs-task-definition.json": json.dumps(_task_definition(plan, serving), indent=2) + "\n",
    }


def most_tasks(plan: TaskPlan, demand: Demand) -> int:
    """Return the most tasks that an autoscaler may start, so that with one more the database's connections suffice."""
    wanted = GROWTH * plan.tasks
    if demand.connections is None:
        return wanted
    return min(wanted, demand.connections // (plan.size.workers * demand.pool) - 1)


def _server_settings(serving: Serving) -> dict[str, str]:
    """Return Gunicorn's settings file, or the arguments of any other server, one a line."""
    if serving.program != "gunicorn":
        return {f"{serving.program}.args": "".join(f"{word}\n" for word in serving.line[1:])}
    *options, target = serving.line[1:]
    return {"gunicorn.conf.py": "".join(f"{_setting(option)}\n" for option in [*options, f"--wsgi-app={target}"])}


def _setting(option: str) -> str:
    """Return an option such as ``--keep-alive=75`` as a line of ``gunicorn.conf.py``."""
    name, _, text = option.removeprefix("--").partition("=")
    value: object = int(text) if text.isdecimal() else text or True
    return f"{GUNICORN_SETTINGS.get(name, name.replace('-', '_'))} = {value!r}"


def _as_yaml(documents: Sequence[Mapping[str, Any]]) -> str:
    text: str = yaml.safe_dump_all(documents, sort_keys=False, explicit_start=len(documents) > 1)
    return text


def _compose(plan: TaskPlan, serving: Serving) -> dict[str, Any]:
    limits = {"cpus": f"{plan.size.vcpu:g}", "memory": f"{_memory_mib(plan)}M"}
    service = {
        "image": serving.image,
        "environment": _environment(plan, serving),
        "expose": [str(serving.port)],
        "deploy": {"replicas": plan.tasks, "resources": {"limits": limits}},
        "read_only": True,
        "tmpfs": ["/tmp"],  # noqa: S108 -- the container's own
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
    }
    return {"services": {serving.name: service}}


def _deployment(plan: TaskPlan, serving: Serving) -> dict[str, Any]:
    """Return a Deployment without a number of replicas, which its autoscaler sets."""
    labels = {"app": serving.name}
    amounts = {"cpu": f"{round(plan.size.vcpu * 1000)}m", "memory": f"{_memory_mib(plan)}Mi"}
    container = {
        "name": serving.name,
        "image": serving.image,
        "env": [{"name": name, "value": value} for name, value in _environment(plan, serving).items()],
        "ports": [{"containerPort": serving.port}],
        "resources": {"requests": amounts, "limits": amounts},
        "readinessProbe": {"tcpSocket": {"port": serving.port}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 -- the container's own
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": serving.name, "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [container], "volumes": [{"name": "tmp", "emptyDir": {}}]},
            },
        },
    }


def _autoscaler(plan: TaskPlan, demand: Demand, serving: Serving) -> dict[str, Any]:
    target = {"type": "Utilization", "averageUtilization": round(plan.target_busy * 100)}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": serving.name},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": serving.name},
            "minReplicas": plan.tasks,
            "maxReplicas": most_tasks(plan, demand),
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        },
    }


def _task_definition(plan: TaskPlan, serving: Serving) -> dict[str, Any]:
    """Return the parameters of ``RegisterTaskDefinition``; the role that pulls a private image is the user's to add."""
    container = {
        "name": serving.name,
        "image": serving.image,
        "essential": True,
        "portMappings": [{"containerPort": serving.port, "protocol": "tcp"}],
        "environment": [{"name": name, "value": value} for name, value in _environment(plan, serving).items()],
        "linuxParameters": {"capabilities": {"drop": ["ALL"]}},
    }
    return {
        "family": serving.name,
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": str(round(plan.size.vcpu * 1024)),
        "memory": str(_memory_mib(plan)),
        "runtimePlatform": {"cpuArchitecture": str(serving.architecture), "operatingSystemFamily": "LINUX"},
        "containerDefinitions": [container],
    }


def _environment(plan: TaskPlan, serving: Serving) -> dict[str, str]:
    return {"WORKERS": str(plan.size.workers), "PORT": str(serving.port)}


def _memory_mib(plan: TaskPlan) -> int:
    return (plan.size.memory_bytes or 0) // MIB
