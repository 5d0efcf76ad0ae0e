"""A fake ECS in simulated time: tasks without containers, what they cost, and what no run may leave behind."""

import math
import random
import time
from dataclasses import dataclass, field

from docker.models.containers import Container

from common.aws.requests import DEADLINE_STATUS
from common.aws.spending import TaskPrices
from common.catalog.sizes import Size
from tests.support.fake_ecs import FakeEcs, Json


@dataclass(kw_only=True)
class Durations:
    """Ranges in seconds that the phases of tasks are drawn from."""

    provisioning_s: tuple[float, float] = (5, 40)
    pull_s: tuple[float, float] = (2, 60)
    boot_s: tuple[float, float] = (0.5, 5)
    stop_s: tuple[float, float] = (1, 28)
    """From being told to stop, or from the container's own end, until ECS stops billing."""
    life_s: tuple[float, float] = (math.inf, math.inf)
    """From the server's first response until it dies by itself."""
    work_s: tuple[float, float] = (10, 60)
    """From the load generator's first response until it has its result."""


@dataclass(kw_only=True)
class SimulatedEcs(FakeEcs):
    """Tasks whose whole life is drawn when they start, and looked up when somebody asks."""

    random: random.Random
    durations: Durations = field(default_factory=Durations)
    container_clock_ahead_s: float = 0.0

    def serving(self, address: str) -> bool:
        """Return whether the server at an address answers now."""
        task = self._at(address)
        return task is not None and self._alive(task) and time.time() >= task["up_s"]

    def result_ready(self, address: str) -> bool:
        """Return whether the load generator at an address has its result now."""
        task = self._at(address)
        return task is not None and self.serving(address) and time.time() >= float(task["result_s"])

    def dollars(self, prices: TaskPrices) -> float:
        """Return the bill: from the start of each pull to the end of its task, a minute at least."""
        return sum(self._dollars(task, prices) for task in self.tasks.values())

    def latest_deadline_s(self) -> float:
        """Return the Unix time by which every container has ended by itself."""
        return max((float(task["deadline_s"]) for task in self.tasks.values()), default=0.0)

    def containers(self) -> list[Container]:
        """Return none: nothing runs."""
        return []

    def _begin(self, task: Json) -> None:
        draw = self.random.uniform
        (override,) = task["request"]["overrides"]["containerOverrides"]
        limits = {pair["name"]: int(pair["value"]) for pair in override["environment"]}
        pull_s = task["createdAt"] + draw(*self.durations.provisioning_s)
        start_s = pull_s + draw(*self.durations.pull_s)
        up_s = start_s + draw(*self.durations.boot_s)
        # As the shell script in ``common.aws.requests`` reckons it; test_deadlines.py runs that in real containers.
        left_s = limits["ENDS_AT"] - (start_s + self.container_clock_ahead_s)
        task |= {
            "pull_s": pull_s,
            "start_s": start_s,
            "up_s": up_s,
            "deadline_s": start_s + max(0.0, min(left_s, limits["LIFETIME_S"])),
            "dies_s": up_s + draw(*self.durations.life_s) if math.isfinite(self.durations.life_s[0]) else math.inf,
            "result_s": up_s + draw(*self.durations.work_s),
            "stop_takes_s": draw(*self.durations.stop_s),
            "address": f"10.0.{len(self.tasks) // 250}.{len(self.tasks) % 250 + 1}",
        }

    def _alive(self, task: Json) -> bool:
        self._notice_exit(task)
        return super()._alive(task)

    def _notice_exit(self, task: Json) -> None:
        now_s = time.time()
        if task["lastStatus"] == "STOPPED":
            return
        ended_s = min(task["deadline_s"], task["dies_s"])
        if now_s >= ended_s:
            task["exitCode"] = DEADLINE_STATUS if ended_s == task["deadline_s"] else 1
            self._stop(task, code="EssentialContainerExited", reason="Essential container in task exited")
            task["stoppedAt"] = ended_s
            return
        if now_s > task["createdAt"] + 3:
            details = {"networkInterfaceId": f"eni-{task['address']}", "privateIPv4Address": task["address"]}
            task["attachments"] = [{"type": "eni", "details": [{"name": k, "value": v} for k, v in details.items()]}]
        if now_s >= task["start_s"]:
            task |= {"pullStartedAt": task["pull_s"], "pullStoppedAt": task["start_s"], "startedAt": task["start_s"]}
            task["lastStatus"] = "RUNNING"

    def _dollars(self, task: Json, prices: TaskPrices) -> float:
        ended_s = task.get("stoppedAt", time.time()) + task["stop_takes_s"]
        if ended_s <= task["pull_s"]:
            return 0.0
        size = Size(
            vcpu=int(task["definition"]["cpu"]) / 1024, memory_bytes=int(task["definition"]["memory"]) * 1024**2
        )
        return prices.dollars(size, ended_s - task["pull_s"])

    def _at(self, address: str) -> Json | None:
        return next((task for task in self.tasks.values() if task["address"] == address), None)

    def _shown(self, task: Json) -> Json:
        own = {"pull_s", "start_s", "up_s", "deadline_s", "dies_s", "result_s", "stop_takes_s", "address"}
        return {name: value for name, value in super()._shown(task).items() if name not in own}
