"""AWS on a loopback port: ECS, ECR and logs in JSON 1.1, EC2 and IAM as queries, and the faults a test asks for."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from docker import DockerClient

from tests.support.fake_ecs import ACCOUNT, FakeEcs, RefusalError

DUMMY = {"AWS_ACCESS_KEY_ID": "AKIADUMMY", "AWS_SECRET_ACCESS_KEY": "dummy-secret", "AWS_REGION": "us-east-1"}
"""Credentials of nobody."""
_JSON_SERVICES = {"ContainerService": "ecs", "ContainerRegistry": "ecr", "Logs_": "logs"}
"""By what the target of a request holds."""


@dataclass(kw_only=True)
class Endpoint:
    """What a test sees of the endpoint, and sets in it."""

    url: str
    ecs: FakeEcs
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    faults: dict[str, list[str]] = field(default_factory=dict)
    """Codes to refuse a call's next times with; ``hang`` answers nothing until the endpoint closes."""
    images: set[str] | None = None
    """``repository:tag`` of what ECR has; ``None`` for everything."""
    endpoints: dict[str, list[str]] = field(default_factory=dict)
    """VPC endpoints by subnet, each subnet being a VPC of its own."""
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs in order to take this for AWS."""
        return {**DUMMY, "AWS_ENDPOINT_URL": self.url, "AWS_EC2_METADATA_DISABLED": "true"}

    def named(self, operation: str) -> list[dict[str, Any]]:
        """The parameters of every call of an operation."""
        return [asked for name, asked in self.calls if name == operation]

    def answer(self, service: str, operation: str, asked: dict[str, Any]) -> Any:  # noqa: ANN401 -- JSON or XML
        """What AWS would say."""
        self.calls.append((operation, asked))
        if pending := self.faults.get(operation):
            fault = pending.pop(0)
            if fault == "hang":
                self.closing.wait()
            raise RefusalError(fault, f"{operation} was refused by a test")
        if service == "ecs":
            return getattr(self.ecs, re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower())(asked)
        return getattr(self, f"_{operation}")(asked)

    def _GetLogEvents(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 -- AWS's name
        lines = self.ecs.printed(asked["logGroupName"], asked["logStreamName"])
        return {"events": [{"message": line} for line in lines[-asked["limit"] :]]}

    def _DescribeImages(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 -- AWS's name
        (wanted,) = asked["imageIds"]
        if self.images is not None and f"{asked['repositoryName']}:{wanted['imageTag']}" not in self.images:
            raise RefusalError("ImageNotFoundException", "The image is not there.")
        return {"imageDetails": [{"imageDigest": "sha256:0"}]}

    def _GetRole(self, asked: dict[str, Any]) -> str:  # noqa: N802
        name = asked["RoleName"]
        return (
            f"<GetRoleResponse><GetRoleResult><Role><Path>/</Path><RoleName>{name}</RoleName><RoleId>R</RoleId>"
            f"<Arn>arn:aws:iam::{ACCOUNT}:role/{name}</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate></Role>"
            "</GetRoleResult></GetRoleResponse>"
        )

    def _DescribeNetworkInterfaces(self, asked: dict[str, Any]) -> str:  # noqa: N802
        wanted = asked["NetworkInterfaceId.1"]
        address = next(
            details["privateIPv4Address"]
            for task in self.ecs.tasks.values()
            for part in task.get("attachments", [])
            if (details := {one["name"]: one["value"] for one in part["details"]})["networkInterfaceId"] == wanted
        )
        return (
            "<DescribeNetworkInterfacesResponse><networkInterfaceSet><item>"
            f"<association><publicIp>{address}</publicIp></association>"
            "</item></networkInterfaceSet></DescribeNetworkInterfacesResponse>"
        )

    def _DescribeSubnets(self, asked: dict[str, Any]) -> str:  # noqa: N802
        rows = "".join(f"<item><vpcId>vpc-{asked[key]}</vpcId></item>" for key in asked if key.startswith("SubnetId."))
        return f"<DescribeSubnetsResponse><subnetSet>{rows}</subnetSet></DescribeSubnetsResponse>"

    def _DescribeVpcEndpoints(self, asked: dict[str, Any]) -> str:  # noqa: N802
        services = self.endpoints.get(asked["Filter.1.Value.1"].removeprefix("vpc-"), [])
        rows = "".join(f"<item><serviceName>com.amazonaws.us-east-1.{one}</serviceName></item>" for one in services)
        return f"<DescribeVpcEndpointsResponse><vpcEndpointSet>{rows}</vpcEndpointSet></DescribeVpcEndpointsResponse>"


@contextmanager
def endpoint(engine: DockerClient) -> Iterator[Endpoint]:
    """An endpoint that serves; it and every container of it are gone afterwards."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    made = Endpoint(url=f"http://127.0.0.1:{server.server_port}", ecs=FakeEcs(engine=engine))
    server.endpoint = made  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield made
    finally:
        made.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
        made.ecs.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if target := self.headers.get("X-Amz-Target"):
            service = next(name for part, name in _JSON_SERVICES.items() if part in target)
            self._reply(service, target.partition(".")[2], json.loads(body))
        else:
            asked = {name: value for name, (value,) in parse_qs(body.decode()).items()}
            self._reply("ec2" if asked["Version"].startswith("2016") else "iam", asked.pop("Action"), asked)

    def _reply(self, service: str, operation: str, asked: dict[str, Any]) -> None:
        made: Endpoint = self.server.endpoint  # type: ignore[attr-defined]
        try:
            answer, status = made.answer(service, operation, asked), 200
        except RefusalError as refusal:
            answer, status = {"__type": refusal.code, "message": str(refusal)}, 400
            if service in {"ec2", "iam"}:
                answer = (
                    f"<Response><Errors><Error><Code>{refusal.code}</Code><Message>{refusal}</Message></Error></Errors>"
                    "</Response>"
                )
        data = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        self.send_response(status)
        self.send_header(
            "Content-Type", "application/x-amz-json-1.1" if service in _JSON_SERVICES.values() else "text/xml"
        )
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- as the base class names it
        """Nothing: tests read ``calls``."""
