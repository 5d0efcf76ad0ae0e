"""A client whose calls reach a fake AWS through a network and an API that fail in every way they can."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import cache
from typing import Any

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError

from common.aws.calls import CONFIG, AwsClient
from tests.support.fake_aws import DUMMY, Endpoint, answer_request, read_request, refusal_reply
from tests.support.fake_ecs import RefusalError

SHARED = cache(boto3.Session)
"""One session for all clients: each new one parses megabytes of service models."""


@dataclass(frozen=True, kw_only=True)
class Outage:
    """A time in which nothing works: throttled, without a network, or with credentials that have expired."""

    kind: str
    from_s: float
    to_s: float


@dataclass(kw_only=True)
class Faults:
    """The rates at which calls go wrong, and the time in which nothing works at all."""

    throttled: float = 0.0
    server_error: float = 0.0
    lost_request: float = 0.0
    lost_reply: float = 0.0
    delayed: float = 0.0
    """Carried out only after the client has given it up, and has perhaps repeated it."""
    repeated: float = 0.0
    """Carried out twice."""
    refused: dict[str, str] = field(default_factory=dict)
    """Codes with which operations are refused for ever, as in a region that does not have them."""
    latency_s: tuple[float, float] = (0.02, 0.3)
    outages: tuple[Outage, ...] = ()

    def outage(self, kind: str) -> bool:
        """Return whether it is now the time of an outage."""
        return any(outage.kind == kind and outage.from_s <= time.time() < outage.to_s for outage in self.outages)


@dataclass(kw_only=True)
class UnreliableNetwork:
    """The transport between a client of boto3 and the fake AWS."""

    endpoint: Endpoint
    faults: Faults
    random: random.Random
    later: Callable[[float, Callable[[], object]], None]
    """Do something after so many seconds, whatever becomes of who asked for it."""
    dead: Callable[[], bool] = lambda: False
    """Whether the process that calls has been killed."""
    calls: int = 0

    def client(self, region: str = "us-east-1", config: Config = CONFIG) -> AwsClient:
        """Return a client of this network."""
        client = AwsClient(region=region, config=config)
        client.__dict__["_session"] = _Session(self, region)
        return client

    def send(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        """Answer one attempt of a call, or do not: the handler of ``before-send`` in botocore."""
        self.calls += 1
        self._travel(request)
        if self.faults.outage("network"):
            time.sleep(CONFIG.connect_timeout)
            raise ConnectTimeoutError(endpoint_url=request.url)
        if code := self._refusal(_read(request)[1]):
            self._travel(request)
            return _refused(request, code)
        fate = self._draw()
        if fate == "delayed":
            self.later(self.random.uniform(5, 90), lambda: self._answer(request))
        if fate in {"lost_request", "delayed"}:
            self._time_out(request)
        reply = self._answer(request)
        if fate == "repeated":
            self._answer(request)
        if fate == "lost_reply":
            self._time_out(request)
        self._travel(request)
        return _refused(request, "ServerException", 500) if fate == "server_error" else reply

    def _travel(self, request: AWSPreparedRequest) -> None:
        """Take a moment; a request that was on its way when its process was killed may still arrive."""
        try:
            time.sleep(self.random.uniform(*self.faults.latency_s))
        except BaseException:
            if self.dead() and self.random.random() < 0.5:
                self.later(0.1, lambda: self._answer(request))
            raise

    def _refusal(self, operation: str) -> str | None:
        if self.faults.outage("credentials"):
            return "ExpiredTokenException"
        if self.faults.outage("throttling") or self.random.random() < self.faults.throttled:
            return "ThrottlingException"
        return self.faults.refused.get(operation)

    def _draw(self) -> str:
        chance = self.random.random()
        for fate in ("server_error", "lost_request", "lost_reply", "delayed", "repeated"):
            chance -= getattr(self.faults, fate)
            if chance < 0:
                return fate
        return "answered"

    def _answer(self, request: AWSPreparedRequest) -> AWSResponse:
        reply = answer_request(self.endpoint, _target(request), _bytes(request.body))
        return _response(request, *reply, at_s=time.time() + self.endpoint.ahead_s)

    def _time_out(self, request: AWSPreparedRequest) -> None:
        time.sleep(CONFIG.read_timeout)
        raise ReadTimeoutError(endpoint_url=request.url)


def direct_client(endpoint: Endpoint) -> AwsClient:
    """Return a client that reaches the fake AWS at once, in real time, and calls it once."""
    network = UnreliableNetwork(
        endpoint=endpoint,
        faults=Faults(latency_s=(0, 0)),
        random=random.Random(0),  # noqa: S311 -- not for secrets
        later=lambda _, __: None,
    )
    return network.client(config=Config(retries={"total_max_attempts": 1}))


class _Session:
    """Stands in for ``boto3.Session``: its clients send their requests through the network."""

    def __init__(self, network: UnreliableNetwork, region: str) -> None:
        self.region_name = region
        self._network = network

    def client(self, service: str, config: object) -> Any:  # noqa: ANN401 -- boto3 has no types
        client = SHARED().client(
            service,
            region_name=self.region_name,
            config=config,
            aws_access_key_id=DUMMY["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=DUMMY["AWS_SECRET_ACCESS_KEY"],
        )
        client.meta.events.register("before-send", self._network.send)
        return client


def _read(request: AWSPreparedRequest) -> tuple[str, str, dict[str, Any]]:
    return read_request(_target(request), _bytes(request.body))


def _refused(request: AWSPreparedRequest, code: str, status: int = 400) -> AWSResponse:
    refusal = RefusalError(code, "refused by the simulation")
    return _response(request, *refusal_reply(_read(request)[0], refusal, status))


def _response(
    request: AWSPreparedRequest, status: int, content_type: str, body: bytes, at_s: float | None = None
) -> AWSResponse:
    headers = {"Content-Type": content_type, "Date": formatdate(at_s or time.time(), usegmt=True)}
    response = AWSResponse(request.url, status, headers, None)
    response._content = body
    return response


def _target(request: AWSPreparedRequest) -> str | None:
    value: str | bytes | None = request.headers.get("X-Amz-Target")
    return value.decode() if isinstance(value, bytes) else value


def _bytes(body: str | bytes | None) -> bytes:
    return body.encode() if isinstance(body, str) else body or b""
