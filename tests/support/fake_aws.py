"""A fake AWS on a loopback port: ECS, ECR and CloudWatch Logs in JSON 1.1, EC2 and IAM as queries, and faults."""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from docker import DockerClient

from tests.support.fake_ecs import ACCOUNT, FakeEcs, RefusalError

DUMMY = {"AWS_ACCESS_KEY_ID": "AKIADUMMY", "AWS_SECRET_ACCESS_KEY": "dummy-secret", "AWS_REGION": "us-east-1"}
"""Credentials that belong to nobody."""
_JSON_SERVICES = {"ContainerService": "ecs", "ContainerRegistry": "ecr", "Logs_": "logs"}
"""Services by a part of their requests' ``X-Amz-Target``."""


@dataclass(kw_only=True)
class Endpoint:
    """The fake endpoint as tests see and configure it."""

    url: str
    ecs: FakeEcs
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    faults: dict[str, list[str]] = field(default_factory=dict)
    """Error codes for the next calls of an operation; ``hang`` sends no reply until the endpoint closes."""
    images: set[str] | None = None
    """``repository:tag`` of the images in ECR; ``None`` for every image."""
    endpoints: dict[str, list[str]] = field(default_factory=dict)
    """VPC endpoints by subnet; each subnet has a VPC of its own."""
    ahead_s: float = 0.0
    """The lead of this endpoint's clock over the machine's."""
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables with which a process calls this endpoint instead of AWS."""
        return {**DUMMY, "AWS_ENDPOINT_URL": self.url, "AWS_EC2_METADATA_DISABLED": "true"}

    def named(self, operation: str) -> list[dict[str, Any]]:
        """Return the parameters of every call of an operation."""
        return [request for name, request in self.calls if name == operation]

    def answer(self, service: str, operation: str, request: dict[str, Any]) -> Any:  # noqa: ANN401 -- JSON or XML
        """Return the reply of a call, or raise the fault that a test has request for."""
        self.calls.append((operation, request))
        if pending := self.faults.get(operation):
            fault = pending.pop(0)
            if fault == "hang":
                self.closing.wait()
            raise RefusalError(fault, f"{operation} was refused by a test")
        if service == "ecs":
            return getattr(self.ecs, re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower())(request)
        return getattr(self, f"_{operation}")(request)

    def _GetLogEvents(self, request: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 -- AWS's name
        lines = self.ecs.printed(request["logGroupName"], request["logStreamName"])
        return {"events": [{"message": line} for line in lines[-request["limit"] :]]}

    def _DescribeImages(self, request: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 -- AWS's name
        (image,) = request["imageIds"]
        if self.images is not None and f"{request['repositoryName']}:{image['imageTag']}" not in self.images:
            raise RefusalError("ImageNotFoundException", "The image does not exist.")
        return {"imageDetails": [{"imageDigest": "sha256:0"}]}

    def _GetRole(self, request: dict[str, Any]) -> str:  # noqa: N802
        name = request["RoleName"]
        return (
            f"<GetRoleResponse><GetRoleResult><Role><Path>/</Path><RoleName>{name}</RoleName><RoleId>R</RoleId>"
            f"<Arn>arn:aws:iam::{ACCOUNT}:role/{name}</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate></Role>"
            "</GetRoleResult></GetRoleResponse>"
        )

    def _DescribeNetworkInterfaces(self, request: dict[str, Any]) -> str:  # noqa: N802
        interface = request["NetworkInterfaceId.1"]
        address = next(
            details["privateIPv4Address"]
            for task in self.ecs.tasks.values()
            for attachment in task.get("attachments", [])
            if (details := {detail["name"]: detail["value"] for detail in attachment["details"]})["networkInterfaceId"]
            == interface
        )
        return (
            "<DescribeNetworkInterfacesResponse><networkInterfaceSet><item>"
            f"<association><publicIp>{address}</publicIp></association>"
            "</item></networkInterfaceSet></DescribeNetworkInterfacesResponse>"
        )

    def _DescribeSubnets(self, request: dict[str, Any]) -> str:  # noqa: N802
        rows = "".join(
            f"<item><vpcId>vpc-{request[key]}</vpcId></item>" for key in request if key.startswith("SubnetId.")
        )
        return f"<DescribeSubnetsResponse><subnetSet>{rows}</subnetSet></DescribeSubnetsResponse>"

    def _DescribeVpcEndpoints(self, request: dict[str, Any]) -> str:  # noqa: N802
        services = self.endpoints.get(request["Filter.1.Value.1"].removeprefix("vpc-"), [])
        rows = "".join(
            f"<item><serviceName>com.amazonaws.us-east-1.{service}</serviceName></item>" for service in services
        )
        return f"<DescribeVpcEndpointsResponse><vpcEndpointSet>{rows}</vpcEndpointSet></DescribeVpcEndpointsResponse>"


def read_request(target: str | None, body: bytes) -> tuple[str, str, dict[str, Any]]:
    """Return the service, the operation and the parameters of a request."""
    if target:
        service = next(name for part, name in _JSON_SERVICES.items() if part in target)
        return service, target.partition(".")[2], json.loads(body)
    request = {name: value for name, (value,) in parse_qs(body.decode()).items()}
    return "ec2" if request["Version"].startswith("2016") else "iam", request.pop("Action"), request


def answer_request(fake: Endpoint, target: str | None, body: bytes) -> tuple[int, str, bytes]:
    """Return the status, content type and body with which the endpoint answers a request."""
    service, operation, request = read_request(target, body)
    try:
        reply = fake.answer(service, operation, request)
    except RefusalError as refusal:
        return refusal_reply(service, refusal, 500 if refusal.code == "ServerException" else 400)
    return 200, _content_type(service), (reply if isinstance(reply, str) else json.dumps(reply)).encode()


def refusal_reply(service: str, refusal: RefusalError, status: int = 400) -> tuple[int, str, bytes]:
    """Return the status, content type and body of an error, as a service's protocol has it."""
    data = json.dumps({"__type": refusal.code, "message": str(refusal)})
    if service in {"ec2", "iam"}:
        error = f"<Error><Code>{refusal.code}</Code><Message>{refusal}</Message></Error>"
        data = f"<Response><Errors>{error}</Errors></Response>"
    return status, _content_type(service), data.encode()


def _content_type(service: str) -> str:
    return "application/x-amz-json-1.1" if service in _JSON_SERVICES.values() else "text/xml"


@contextmanager
def endpoint(engine: DockerClient) -> Iterator[Endpoint]:
    """Serve a fake endpoint; stop it and remove its containers afterwards."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    fake = Endpoint(url=f"http://127.0.0.1:{server.server_port}", ecs=FakeEcs(engine=engine))
    server.endpoint = fake  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield fake
    finally:
        fake.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
        fake.ecs.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        fake: Endpoint = self.server.endpoint  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, content_type, data = answer_request(fake, self.headers.get("X-Amz-Target"), body)
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Return the date of a reply, by the endpoint's clock."""
        fake: Endpoint = self.server.endpoint  # type: ignore[attr-defined]
        return super().date_time_string((timestamp or time.time()) + fake.ahead_s)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- as the base class names it
        """Log nothing: tests read ``calls``."""
