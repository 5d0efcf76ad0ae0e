"""An ECS whose tasks are containers of the local engine: what it keeps, and what becomes of a task."""

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
Json = dict[str, Any]


class RefusalError(Exception):
    """An error that ECS answers with."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(kw_only=True)
class Behaviour:
    """What goes otherwise than it should."""

    provisioning_s: float = 0.05
    pull_s: float = 0.1
    late_running_s: float = 0.0
    without_pull_times: bool = False
    stops_before_it_runs: str = ""
    never_runs: bool = False
    no_capacity_times: int = 0
    runs_instead: str = ""
    """A line of shell that containers run instead of their own command."""


@dataclass(kw_only=True)
class FakeEcs:
    """Task definitions and tasks; ``close`` removes their containers."""

    engine: DockerClient
    behaviour: Behaviour = field(default_factory=Behaviour)
    definitions: dict[str, Json] = field(default_factory=dict)
    tasks: dict[str, Json] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    images: dict[str, str] = field(default_factory=dict)
    """Images of tests' own to run in place of others."""
    logs: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """What containers that ended had printed, by log group and stream."""
    lock: threading.RLock = field(default_factory=threading.RLock)
    label: str = field(default_factory=lambda: secrets.token_hex(8))
    _threads: list[threading.Thread] = field(default_factory=list)

    def register_task_definition(self, asked: Json) -> Json:
        """Keep it."""
        arn = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/{asked['family']}:1"
        self.definitions[arn] = asked | {"taskDefinitionArn": arn, "status": "ACTIVE"}
        return {"taskDefinition": self._public(arn), "tags": asked.get("tags", [])}

    def describe_task_definition(self, asked: Json) -> Json:
        """It, and its tags."""
        self._definition(asked["taskDefinition"])
        return {
            "taskDefinition": self._public(asked["taskDefinition"]),
            "tags": self.definitions[asked["taskDefinition"]].get("tags", []),
        }

    def deregister_task_definition(self, asked: Json) -> Json:
        """Make it inactive."""
        self._definition(asked["taskDefinition"])["status"] = "INACTIVE"
        return {"taskDefinition": self._public(asked["taskDefinition"])}

    def delete_task_definitions(self, asked: Json) -> Json:
        """Forget inactive ones."""
        assert len(asked["taskDefinitions"]) <= 10
        for arn in asked["taskDefinitions"]:
            assert self._definition(arn)["status"] == "INACTIVE"
            del self.definitions[arn]
            self.deleted.append(arn)
        return {"taskDefinitions": [], "failures": []}

    def list_task_definition_families(self, asked: Json) -> Json:
        """Families of a status whose names begin so."""
        rows = [one for one in self.definitions.values() if one["status"] == asked.get("status", "ACTIVE")]
        return {"families": [one["family"] for one in rows if one["family"].startswith(asked["familyPrefix"])]}

    def list_task_definitions(self, asked: Json) -> Json:
        """Those of a family."""
        status = asked.get("status", "ACTIVE")
        rows = [one for one in self.definitions.values() if one["status"] == status]
        return {
            "taskDefinitionArns": [one["taskDefinitionArn"] for one in rows if one["family"] == asked["familyPrefix"]]
        }

    def run_task(self, asked: Json) -> Json:
        """A task that begins to live, the same again for the same token."""
        if known := [one for one in self.tasks.values() if one["clientToken"] == asked["clientToken"]]:
            return {"tasks": [self._shown(known[0])], "failures": []}
        if self.behaviour.no_capacity_times > 0:
            self.behaviour.no_capacity_times -= 1
            return {
                "tasks": [],
                "failures": [{"reason": "Capacity is unavailable at this time. Please try again later."}],
            }
        definition = self._definition(asked["taskDefinition"])
        arn = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/{asked['cluster']}/{secrets.token_hex(16)}"
        self.tasks[arn] = {
            "taskArn": arn,
            "taskDefinitionArn": asked["taskDefinition"],
            "startedBy": asked["startedBy"],
            "clientToken": asked["clientToken"],
            "asked": asked,
            "definition": definition,
            "tags": asked.get("tags", []),
            "lastStatus": "PROVISIONING",
            "createdAt": time.time(),
            "availabilityZone": f"{REGION}a",
        }
        thread = threading.Thread(target=self._live, args=(self.tasks[arn], definition), daemon=True)
        self._threads.append(thread)
        thread.start()
        return {"tasks": [self._shown(self.tasks[arn])], "failures": []}

    def describe_tasks(self, asked: Json) -> Json:
        """Those that are known; what has ended is noticed now."""
        found = [self.tasks[arn] for arn in asked["tasks"] if arn in self.tasks]
        for task in found:
            self._notice_end(task)
        return {"tasks": [self._shown(task) for task in found], "failures": []}

    def list_tasks(self, asked: Json) -> Json:
        """Those that are not stopped."""
        rows = [one for one in self.tasks.values() if one["lastStatus"] != "STOPPED"]
        by = asked.get("startedBy")
        return {"taskArns": [one["taskArn"] for one in rows if by in {None, one["startedBy"]}]}

    def stop_task(self, asked: Json) -> Json:
        """End it and its container."""
        if (task := self.tasks.get(asked["task"])) is None:
            raise RefusalError("InvalidParameterException", "The referenced task was not found.")
        if task["lastStatus"] != "STOPPED":
            self._stop(task, code="UserInitiated", reason=asked.get("reason", ""))
        return {"task": self._shown(task)}

    @property
    def running(self) -> list[str]:
        """The tasks that are not stopped."""
        return [arn for arn, task in self.tasks.items() if task["lastStatus"] != "STOPPED"]

    def printed(self, group: str, stream: str) -> list[str]:
        """What the container behind a log stream printed; ``RefusalError`` where there is none."""
        for task in self.tasks.values():
            if stream.rpartition("/")[2] == task["taskArn"].rpartition("/")[2] and "container" in task:
                self._keep_log(task)
        if (group, stream) not in self.logs:
            raise RefusalError("ResourceNotFoundException", "The specified log stream does not exist.")
        return self.logs[group, stream]

    def containers(self) -> list[Container]:
        """The containers of all tasks."""
        return self.engine.containers.list(all=True, filters={"label": f"{LABEL}={self.label}"}, ignore_removed=True)

    def close(self) -> None:
        """Stop what runs; no container is left."""
        for arn in self.running:
            self.stop_task({"task": arn})
        for thread in self._threads:
            thread.join(timeout=30)
        for container in self.containers():
            _remove(container)

    def _live(self, task: Json, definition: Json) -> None:
        """The life of a task from its creation to its running."""
        how = self.behaviour
        time.sleep(how.provisioning_s)
        if how.never_runs:
            return
        if how.stops_before_it_runs:
            self._stop(task, code="TaskFailedToStart", reason=how.stops_before_it_runs)
            return
        times = {"pullStartedAt": time.time()}
        time.sleep(how.pull_s)
        times["pullStoppedAt"] = time.time()
        with self.lock:
            if task["lastStatus"] == "STOPPED":
                return
            if not how.without_pull_times:
                task |= times
            task["container"] = self._start(definition)
            address = task["container"].attrs["NetworkSettings"]["IPAddress"]
            interface = f"eni-{secrets.token_hex(8)}"
            details = {"networkInterfaceId": interface, "privateIPv4Address": address}
            task["attachments"] = [{"type": "eni", "details": [{"name": k, "value": v} for k, v in details.items()]}]
            task["lastStatus"] = "ACTIVATING"
        time.sleep(how.late_running_s)
        with self.lock:
            if task["lastStatus"] == "ACTIVATING":
                task |= {"lastStatus": "RUNNING", "startedAt": time.time()}

    def _start(self, definition: Json) -> Container:
        (one,) = definition["containerDefinitions"]
        command = {"entrypoint": one["entryPoint"], "command": one["command"]} if "entryPoint" in one else {}
        if self.behaviour.runs_instead:
            command = {"entrypoint": ["sh", "-c", self.behaviour.runs_instead]}
        container = self.engine.containers.run(
            self.images.get(name := one["image"].partition("/")[2], name),
            detach=True,
            **command,
            labels={LABEL: self.label},
            environment={pair["name"]: pair["value"] for pair in one["environment"]},
            nano_cpus=int(definition["cpu"]) * 10**9 // 1024,
            mem_limit=f"{definition['memory']}m",
            cap_drop=one["linuxParameters"]["capabilities"]["drop"],
            healthcheck={"test": ["NONE"]},
        )
        container.reload()
        return container

    def _stop(self, task: Json, *, code: str, reason: str) -> None:
        with self.lock:
            task |= {"lastStatus": "STOPPED", "stopCode": code, "stoppedReason": reason, "stoppedAt": time.time()}
            if (container := task.get("container")) is not None:
                self._keep_log(task)
                _remove(container)

    def _keep_log(self, task: Json) -> None:
        """As awslogs does, while the container is there."""
        (one,) = task["definition"]["containerDefinitions"]
        if "logConfiguration" not in one:
            return
        options = one["logConfiguration"]["options"]
        stream = f"{options['awslogs-stream-prefix']}/{one['name']}/{task['taskArn'].rpartition('/')[2]}"
        with suppress(NotFound):
            text = task["container"].logs().decode(errors="replace")
            self.logs[options["awslogs-group"], stream] = text.splitlines()

    def _notice_end(self, task: Json) -> None:
        container = task.get("container")
        if task["lastStatus"] == "STOPPED" or container is None:
            return
        container.reload()
        if not container.attrs["State"]["Running"]:
            task["exitCode"] = container.attrs["State"]["ExitCode"]
            self._stop(task, code="EssentialContainerExited", reason="Essential container in task exited")

    def _shown(self, task: Json) -> Json:
        hidden = {"clientToken", "asked", "definition", "container", "exitCode"}
        exit_code = {"exitCode": task["exitCode"]} if "exitCode" in task else {}
        containers = [{"name": "stack", "imageDigest": "sha256:" + "0" * 64, **exit_code}]
        return {name: value for name, value in task.items() if name not in hidden} | {"containers": containers}

    def _public(self, arn: str) -> Json:
        return {name: value for name, value in self.definitions[arn].items() if name != "tags"}

    def _definition(self, arn: str) -> Json:
        if arn not in self.definitions:
            raise RefusalError("ClientException", "Unable to describe task definition.")
        return self.definitions[arn]


def _remove(container: Container) -> None:
    try:
        container.remove(force=True)
    except APIError as error:
        if error.status_code not in {404, 409}:  # gone, or going
            raise
