"""A fake ECS whose tasks are containers of the local engine."""

import secrets
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from docker import DockerClient
from docker.errors import APIError, NotFound
from docker.models.containers import Container

ACCOUNT = "123456789012"
REGION = "us-east-1"
LABEL = "api-framework-benchmark.test-ecs"
NO_CAPACITY = {"reason": "Capacity is unavailable at this time. Please try again later."}
Json = dict[str, Any]


class RefusalError(Exception):
    """An error reply of AWS."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _already_set() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


@dataclass(kw_only=True)
class Behaviour:
    """The behaviour of tasks, and their faults."""

    provisioning_s: float = 0.05
    pull_s: float = 0.1
    without_pull_times: bool = False
    stops_before_it_runs: str = ""
    never_runs: bool = False
    no_capacity_times: int = 0
    runs_instead: str = ""
    """A shell command that containers run instead of their own."""
    may_report_running: threading.Event = field(default_factory=_already_set)
    """Until this is set, tasks stay ``ACTIVATING`` even though their containers run."""
    visible_after_s: float = 0.0
    """The time for which listings, descriptions and ``StopTask`` do not know a new resource."""


@dataclass(kw_only=True)
class FakeEcs:
    """Task definitions and tasks; ``close`` removes the tasks' containers."""

    engine: DockerClient
    behaviour: Behaviour = field(default_factory=Behaviour)
    definitions: dict[str, Json] = field(default_factory=dict)
    tasks: dict[str, Json] = field(default_factory=dict)
    requests: dict[str, Json] = field(default_factory=dict)
    """The requests for ``RunTask``, by client token."""
    deleted: list[str] = field(default_factory=list)
    images: dict[str, str] = field(default_factory=dict)
    """Images to run instead of those that definitions name."""
    logs: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """The output of containers, by log group and stream."""
    lock: threading.RLock = field(default_factory=threading.RLock)
    label: str = field(default_factory=lambda: secrets.token_hex(8))
    _threads: list[threading.Thread] = field(default_factory=list)

    def register_task_definition(self, request: Json) -> Json:
        """Store a definition."""
        arn = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/{request['family']}:1"
        self.definitions[arn] = request | {"taskDefinitionArn": arn, "status": "ACTIVE", "createdAt": time.time()}
        return {"taskDefinition": self._public(arn), "tags": request.get("tags", [])}

    def describe_task_definition(self, request: Json) -> Json:
        """Return a definition and its tags."""
        definition = self._definition(request["taskDefinition"])
        return {
            "taskDefinition": self._public(definition["taskDefinitionArn"]),
            "tags": definition.get("tags", []),
        }

    def deregister_task_definition(self, request: Json) -> Json:
        """Make a definition inactive."""
        definition = self._definition(request["taskDefinition"])
        definition["status"] = "INACTIVE"
        return {"taskDefinition": self._public(definition["taskDefinitionArn"])}

    def delete_task_definitions(self, request: Json) -> Json:
        """Delete inactive definitions."""
        assert len(request["taskDefinitions"]) <= 10
        failures = []
        for name in request["taskDefinitions"]:
            try:
                definition = self._definition(name)
            except RefusalError as refusal:
                failures.append({"arn": name, "reason": str(refusal)})
                continue
            if definition["status"] != "INACTIVE":
                failures.append({"arn": name, "reason": "The task definition is still active."})
                continue
            self.deleted.append(self.definitions.pop(definition["taskDefinitionArn"])["taskDefinitionArn"])
        return {"taskDefinitions": [], "failures": failures}

    def list_task_definition_families(self, request: Json) -> Json:
        """List the families of a status by their prefix."""
        status = request.get("status", "ACTIVE")
        families = [row["family"] for row in self._visible(self.definitions) if row["status"] == status]
        return {"families": [family for family in families if family.startswith(request["familyPrefix"])]}

    def list_task_definitions(self, request: Json) -> Json:
        """List the definitions of a family."""
        status = request.get("status", "ACTIVE")
        rows = [row for row in self._visible(self.definitions) if row["status"] == status]
        return {
            "taskDefinitionArns": [row["taskDefinitionArn"] for row in rows if row["family"] == request["familyPrefix"]]
        }

    def run_task(self, request: Json) -> Json:
        """Start a task, or return what the same client token has led to before, a failure too."""
        token = request["clientToken"]
        if token in self.requests:
            if self.requests[token] != request:
                raise RefusalError("ConflictException", "The client token is in use with other parameters.")
            known = [task for task in self.tasks.values() if task["request"]["clientToken"] == token]
            return {"tasks": [self._shown(task) for task in known], "failures": [] if known else [NO_CAPACITY]}
        self.requests[token] = request
        if self.behaviour.no_capacity_times > 0:
            self.behaviour.no_capacity_times -= 1
            return {"tasks": [], "failures": [NO_CAPACITY]}
        definition = self._definition(request["taskDefinition"])
        arn = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/{request['cluster']}/{secrets.token_hex(16)}"
        self.tasks[arn] = {
            "taskArn": arn,
            "taskDefinitionArn": request["taskDefinition"],
            "startedBy": request["startedBy"],
            "request": request,
            "definition": definition,
            "tags": request.get("tags", []),
            "lastStatus": "PROVISIONING",
            "createdAt": time.time(),
            "availabilityZone": f"{REGION}a",
        }
        self._begin(self.tasks[arn])
        return {"tasks": [self._shown(self.tasks[arn])], "failures": []}

    def describe_tasks(self, request: Json) -> Json:
        """Describe the known tasks among those requested; notice containers that have exited."""
        known = [task for task in self._visible(self.tasks) if task["taskArn"] in request["tasks"]]
        for task in known:
            self._notice_exit(task)
        return {"tasks": [self._shown(task) for task in known], "failures": []}

    def list_tasks(self, request: Json) -> Json:
        """List the tasks that have not stopped."""
        live = [task for task in self._visible(self.tasks) if self._alive(task)]
        started_by = request.get("startedBy")
        return {"taskArns": [task["taskArn"] for task in live if started_by in {None, task["startedBy"]}]}

    def stop_task(self, request: Json) -> Json:
        """Stop a task and remove its container."""
        task = next((task for task in self._visible(self.tasks) if task["taskArn"] == request["task"]), None)
        if task is None:
            raise RefusalError("InvalidParameterException", "The referenced task was not found.")
        if self._alive(task):
            self._stop(task, code="UserInitiated", reason=request.get("reason", ""))
        return {"task": self._shown(task)}

    @property
    def running(self) -> list[str]:
        """The tasks that have not stopped."""
        return [arn for arn, task in self.tasks.items() if self._alive(task)]

    def printed(self, group: str, stream: str) -> list[str]:
        """Return the output of a log stream's container; ``RefusalError`` if there is no such stream."""
        for task in self.tasks.values():
            if stream.rpartition("/")[2] == task["taskArn"].rpartition("/")[2] and "container" in task:
                self._keep_log(task)
        if (group, stream) not in self.logs:
            raise RefusalError("ResourceNotFoundException", "The specified log stream does not exist.")
        return self.logs[group, stream]

    def containers(self) -> list[Container]:
        """Return the containers of all tasks."""
        return self.engine.containers.list(all=True, filters={"label": f"{LABEL}={self.label}"}, ignore_removed=True)

    def close(self) -> None:
        """Stop every task and remove every container."""
        self.behaviour.visible_after_s = 0
        for arn in self.running:
            self.stop_task({"task": arn})
        for thread in self._threads:
            thread.join(timeout=30)
        for container in self.containers():
            _remove(container)

    def _begin(self, task: Json) -> None:
        thread = threading.Thread(target=self._live, args=(task, task["definition"]), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _alive(self, task: Json) -> bool:
        return str(task["lastStatus"]) != "STOPPED"

    def _visible(self, resources: dict[str, Json]) -> list[Json]:
        """Return what every part of ECS has heard of by now."""
        before = time.time() - self.behaviour.visible_after_s
        return [resource for resource in resources.values() if resource["createdAt"] <= before]

    def _live(self, task: Json, definition: Json) -> None:
        """Take a task from its creation to its running."""
        behaviour = self.behaviour
        time.sleep(behaviour.provisioning_s)
        if behaviour.never_runs:
            return
        if behaviour.stops_before_it_runs:
            self._stop(task, code="TaskFailedToStart", reason=behaviour.stops_before_it_runs)
            return
        times = {"pullStartedAt": time.time()}
        time.sleep(behaviour.pull_s)
        times["pullStoppedAt"] = time.time()
        with self.lock:
            if task["lastStatus"] == "STOPPED":
                return
            if not behaviour.without_pull_times:
                task |= times
            task["container"] = self._start(definition, task["request"])
            address = task["container"].attrs["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
            interface = f"eni-{secrets.token_hex(8)}"
            details = {"networkInterfaceId": interface, "privateIPv4Address": address}
            task["attachments"] = [{"type": "eni", "details": [{"name": k, "value": v} for k, v in details.items()]}]
            task["lastStatus"] = "ACTIVATING"
        behaviour.may_report_running.wait(timeout=60)
        with self.lock:
            if task["lastStatus"] == "ACTIVATING":
                task |= {"lastStatus": "RUNNING", "startedAt": time.time()}

    def _start(self, definition: Json, request: Json) -> Container:
        (spec,) = definition["containerDefinitions"]
        (override,) = request["overrides"]["containerOverrides"]
        assert override["name"] == spec["name"]
        command: Json = {"entrypoint": spec["entryPoint"], "command": spec["command"]}
        if self.behaviour.runs_instead:
            command = {"entrypoint": ["sh", "-c", self.behaviour.runs_instead]}
        container = self.engine.containers.run(
            self.images.get(name := spec["image"].partition("/")[2], name),
            detach=True,
            **command,
            labels={LABEL: self.label},
            environment={pair["name"]: pair["value"] for pair in (*spec["environment"], *override["environment"])},
            nano_cpus=int(definition["cpu"]) * 10**9 // 1024,
            mem_limit=f"{definition['memory']}m",
            cap_drop=spec["linuxParameters"]["capabilities"]["drop"],
            healthcheck={"test": ["NONE"]},
        )
        container.reload()
        return container

    def _stop(self, task: Json, *, code: str, reason: str) -> None:
        with self.lock:
            task |= {"lastStatus": "STOPPED", "stopCode": code, "stoppedReason": reason, "stoppedAt": time.time()}
            task["tags"] = []  # which ECS deletes with the task
            if (container := task.get("container")) is not None:
                self._keep_log(task)
                _remove(container)

    def _keep_log(self, task: Json) -> None:
        """Copy the container's output, as awslogs does while it runs."""
        (spec,) = task["definition"]["containerDefinitions"]
        if "logConfiguration" not in spec:
            return
        options = spec["logConfiguration"]["options"]
        stream = f"{options['awslogs-stream-prefix']}/{spec['name']}/{task['taskArn'].rpartition('/')[2]}"
        with suppress(NotFound):
            text = task["container"].logs().decode(errors="replace")
            self.logs[options["awslogs-group"], stream] = text.splitlines()

    def _notice_exit(self, task: Json) -> None:
        container = task.get("container")
        if task["lastStatus"] == "STOPPED" or container is None:
            return
        container.reload()
        if not container.attrs["State"]["Running"]:
            task["exitCode"] = container.attrs["State"]["ExitCode"]
            self._stop(task, code="EssentialContainerExited", reason="Essential container in task exited")

    def _shown(self, task: Json) -> Json:
        hidden = {"request", "definition", "container", "exitCode"}
        exit_code = {"exitCode": task["exitCode"]} if "exitCode" in task else {}
        containers = [{"name": "stack", "imageDigest": "sha256:" + "0" * 64, **exit_code}]
        return {name: value for name, value in task.items() if name not in hidden} | {"containers": containers}

    def _public(self, arn: str) -> Json:
        return {name: value for name, value in self.definitions[arn].items() if name not in {"tags", "createdAt"}}

    def _definition(self, name: str) -> Json:
        """Return the definition of an ARN or of ``family:revision``."""
        arn = name if name.startswith("arn:") else f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/{name}"
        if arn not in self.definitions:
            raise RefusalError("ClientException", "The specified task definition does not exist.")
        return self.definitions[arn]


def _remove(container: Container) -> None:
    try:
        container.remove(force=True)
    except APIError as error:
        if error.status_code not in {404, 409}:  # gone, or going
            raise
