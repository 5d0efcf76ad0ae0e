"""A lease is renewed while its run lives, by AWS's clock, and expires when the run is killed."""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from common.aws.calls import BotoClient
from common.aws.leases import LEASE_S, RENEWAL_INTERVAL_S, Lease, expiry_of
from common.aws.requests import LEASE
from tests.support.fake_aws import Endpoint
from tests.support.simulated_ecs import SimulatedEcs
from tests.support.unreliable_aws import direct_client
from tests.support.virtual_time import START_S, KilledError, VirtualTime


class World:
    """An hour of a run that holds a task definition, in simulated time."""

    def __init__(self) -> None:
        self.killed_s = float("inf")
        self.time = VirtualTime(woken=self._woken)
        ecs = SimulatedEcs(engine=None, random=random.Random(0))  # type: ignore[arg-type]  # noqa: S311
        self.endpoint = Endpoint(url="none", ecs=ecs)

    def play(self, run: Callable[[Lease, str], None], until_s: float = 3600) -> None:
        """Let ``run`` go on with a lease and a definition that it holds."""

        def process() -> None:
            cloud: BotoClient = direct_client(self.endpoint)
            lease = Lease(cloud=cloud, cluster="default")
            reply = cloud.call("ecs", "RegisterTaskDefinition", family="f", containerDefinitions=[], tags=lease.tags())
            arn = reply["taskDefinition"]["taskDefinitionArn"]
            lease.hold(arn)
            run(lease, arn)

        with self.time.installed():
            self.time.spawn(process)
            self.time.run(START_S + until_s)

    def expires_in_s(self) -> float:
        """Return for how long the lease is valid, by AWS's clock."""
        (definition,) = self.endpoint.ecs.definitions.values()
        expires_at = expiry_of(definition)
        assert expires_at is not None
        return expires_at.timestamp() - (self.time.now_s + self.endpoint.ahead_s)

    def renewals(self) -> int:
        """Return how often the lease was renewed."""
        return len(self.endpoint.named("TagResource"))

    def _woken(self) -> None:
        if time.time() > START_S + self.killed_s:
            raise KilledError


def test_a_lease_is_renewed_as_long_as_something_is_held() -> None:
    world = World()
    valid_s: list[float] = []

    def run(_lease: Lease, _arn: str) -> None:
        for _ in range(100):
            time.sleep(17)
            valid_s.append(world.expires_in_s())

    world.play(run)
    assert min(valid_s) >= LEASE_S - RENEWAL_INTERVAL_S - 2
    assert world.renewals() >= 1700 / RENEWAL_INTERVAL_S - 1


def test_a_lease_is_not_renewed_any_more_once_it_is_released() -> None:
    world = World()

    def run(lease: Lease, arn: str) -> None:
        time.sleep(100)
        lease.release(arn)

    world.play(run)
    assert world.renewals() == 3
    assert world.expires_in_s() < 0


def test_a_lease_that_is_held_again_is_renewed_again() -> None:
    world = World()

    def run(lease: Lease, arn: str) -> None:
        lease.release(arn)
        time.sleep(1000)
        lease.hold(arn)

    world.play(run)
    assert world.renewals() == pytest.approx((3600 - 1000) / RENEWAL_INTERVAL_S, abs=1)


def test_the_lease_of_a_killed_run_expires() -> None:
    world = World()
    world.killed_s = 500
    world.play(lambda _, __: time.sleep(3000), until_s=500 + LEASE_S + 1)
    assert world.expires_in_s() < 0


def test_a_renewal_that_fails_is_made_up_for_by_the_next() -> None:
    world = World()
    world.endpoint.faults = {"TagResource": ["ThrottlingException", "AccessDeniedException", "ServerException"]}
    world.play(lambda _, __: time.sleep(400), until_s=400)
    assert world.expires_in_s() > LEASE_S - RENEWAL_INTERVAL_S - 2


@pytest.mark.parametrize(("failures", "valid"), [(4, True), (5, False)])
def test_four_renewals_may_fail_in_a_row_before_a_lease_expires(failures: int, *, valid: bool) -> None:
    world = World()
    world.endpoint.faults = {"TagResource": ["AccessDeniedException"] * failures}
    valid_s: list[float] = []

    def run(_lease: Lease, _arn: str) -> None:
        for _ in range(200):
            time.sleep(1)
            valid_s.append(world.expires_in_s())

    world.play(run)
    assert (min(valid_s) > 0) is valid


@pytest.mark.parametrize("ahead_s", [-7200.0, 7200.0])
def test_a_lease_is_dated_by_awss_clock(ahead_s: float) -> None:
    world = World()
    world.endpoint.ahead_s = ahead_s
    world.play(lambda _, __: time.sleep(400), until_s=400)
    assert LEASE_S - RENEWAL_INTERVAL_S - 2 < world.expires_in_s() <= LEASE_S


@pytest.mark.parametrize("value", ["soon", "", "2026-13-01T00:00:00+00:00"])
def test_a_tag_that_is_no_date_is_no_lease(value: str) -> None:
    assert expiry_of({"tags": [{"key": LEASE, "value": value}]}) is None
    assert expiry_of({}) is None


def test_an_expiry_is_read_as_it_was_written() -> None:
    at = datetime(2026, 11, 24, 12, tzinfo=UTC)
    assert expiry_of({"tags": [{"key": LEASE, "value": at.isoformat()}]}) == at
