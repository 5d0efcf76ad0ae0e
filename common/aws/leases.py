"""A run's lease on what it starts on AWS: renewed while the run lives; others may sweep once it has expired."""

import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from common.aws.calls import AwsClient
from common.aws.requests import LEASE, OWNER
from common.errors import BenchmarkError

LEASE_S = 180.0
"""The time after its latest renewal during which a task or definition belongs to its run."""
RENEWAL_INTERVAL_S = 30.0
"""The pause between rounds of renewals; a round makes one call after another, for everything that is held.

Four rounds may fail in a row before a lease expires, if AWS answers at once; each call without a reply takes up to 90
seconds of that time.
"""


@dataclass(slots=True, kw_only=True, eq=False)
class Lease:
    """A run's ownership of tasks and definitions, under a random name and until an instant of AWS's time.

    A host name and a PID would not do: another machine, or another PID namespace, can have the same ones.
    """

    cloud: AwsClient
    cluster: str
    owner: str = field(default_factory=lambda: secrets.token_hex(16))
    _arns: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _renewing: bool = False

    def now(self) -> datetime:
        """Return AWS's time; makes a call first if no reply has been dated yet."""
        if self.cloud.dry_run:
            return datetime.now(UTC)
        if (now := self.cloud.clock.now()) is None:
            self.cloud.call("ecs", "ListTasks", cluster=self.cluster, maxResults=1)
            now = self.cloud.clock.now()
        return now or datetime.now(UTC)  # an endpoint whose replies have no dates is not AWS

    def tags(self) -> list[dict[str, str]]:
        """Return the tags of something that is about to be made: the owner and when the lease expires."""
        return [{"key": OWNER, "value": self.owner}, self._expiry()]

    def hold(self, arn: str) -> None:
        """Renew the lease on a task or definition from now on."""
        with self._lock:
            self._arns.add(arn)
            if not self._renewing and not self.cloud.dry_run:
                self._renewing = True
                # A daemon that nobody joins: what costs money never waits for a renewal.
                threading.Thread(target=self._renew_until_released, daemon=True).start()

    def release(self, arn: str) -> None:
        """Stop renewing: the task or definition is gone, or is left for others to sweep."""
        with self._lock:
            self._arns.discard(arn)

    def _renew_until_released(self) -> None:
        while arns := self._due():
            for arn in arns:
                self._renew(arn)

    def _due(self) -> list[str]:
        time.sleep(RENEWAL_INTERVAL_S)
        with self._lock:
            self._renewing = bool(self._arns)
            return sorted(self._arns)

    def _renew(self, arn: str) -> None:
        try:
            self.cloud.call("ecs", "TagResource", resourceArn=arn, tags=[self._expiry()])
        except BenchmarkError:
            # It is gone, or is renewed the next time. A missing permission shows earlier: tags on ``RunTask`` need it.
            return

    def _expiry(self) -> dict[str, str]:
        expires_at = self.now() + timedelta(seconds=LEASE_S)
        return {"key": LEASE, "value": expires_at.isoformat(timespec="seconds")}


def expiry_of(tagged: Mapping[str, Any]) -> datetime | None:
    """Return when the lease that a resource's tags name expires; ``None`` if they name none."""
    values = {tag["key"]: tag["value"] for tag in tagged.get("tags", [])}
    try:
        return datetime.fromisoformat(values[LEASE])
    except (KeyError, ValueError):
        return None
