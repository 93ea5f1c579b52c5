"""Real Envoys on this machine, each with a wire of its own between it and local AWS.

The wire serves the task role's credentials as ECS does, hands polls on to local AWS, remembers how they were answered,
and can be cut.
"""

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from domain.bootstrap import Ports, bootstrap, command, is_healthy
from local.envoys import ask, free_ports, passes, start
from local.placement import Place, command_here
from local.settings import OWNER, REGION

CREDENTIALS = "/v2/credentials/task"


class Wire(ThreadingHTTPServer):
    """What an Envoy reaches: credentials of an account, and discovery."""

    daemon_threads = True

    def __init__(self, port: int, account: str, host: str = "127.0.0.1") -> None:
        super().__init__((host, 0), Answers)
        self.aws, self.account, self.cut = port, account, False
        self.answered: list[tuple[str, int]] = []
        self.headers: dict[str, str] = {}
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://{self.server_address[0]!s}:{self.server_port}/"

    def statuses(self, kind: str) -> list[int]:
        """How the polls of a kind were answered."""
        return [status for path, status in list(self.answered) if path.endswith(f":{kind}")]

    def handle_error(self, *_: Any) -> None:
        """Envoys that end in the middle of a poll are no news."""


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Wire

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        key = {"AccessKeyId": self.server.account, "SecretAccessKey": "local", "Token": "token"}
        known = self.path == CREDENTIALS
        self.answer(200 if known else 404, json.dumps({**key, "Expiration": "2036-01-01T00:00:00Z"}).encode())

    def do_POST(self) -> None:
        body = self.body()
        self.server.headers = {name.lower(): value for name, value in self.headers.items()}
        if self.server.cut:
            self.close_connection = True
            return
        aws = http.client.HTTPConnection("127.0.0.1", self.server.aws, timeout=20)
        kept = ("authorization", "content-type", "content-encoding", "x-amz-date", "x-amz-security-token")
        aws.request("POST", self.path, body, {name: self.headers[name] for name in kept if name in self.headers})
        answer = aws.getresponse()
        content = answer.read()
        aws.close()
        self.server.answered.append((self.path, answer.status))
        self.answer(answer.status, content)

    def body(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers["content-length"]))
        found = b""
        while size := int(self.rfile.readline(), 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        if status != 304:
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
        self.end_headers()
        if status != 304:
            self.wfile.write(content)


class Envoy:
    """A running Envoy of a virtual node, started as its container would start it."""

    def __init__(self, wire: Wire, arn: str, folder: Path, *, compress: bool = False, **more: Any) -> None:
        inbound, outbound, admin = free_ports(3)
        self.wire, self.admin = wire, admin
        ports = Ports(inbound, outbound, admin)
        text = bootstrap(arn, wire.url, "lambda", REGION, 1, compress=compress, ports=ports, **more)
        environment = {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": wire.url.rstrip("/") + CREDENTIALS,
            "ECS_CONTAINER_METADATA_URI_V4": "http://169.254.170.2/v4/0123456789abcdef-1",
        }
        self.log = folder / f"envoy-{admin}.log"
        self.began = time.monotonic()
        self.process = start(command_here(command(text), Place(admin)), environment, self.log)

    def healthy(self) -> bool:
        """What the container's health check says."""
        return passes(["bash", "-c", is_healthy(self.admin)])

    def ask(self, path: str) -> Any:
        """Ask the admin interface."""
        return ask(self.admin, path)

    def clusters(self) -> set[str]:
        """The names of the clusters that it has from discovery."""
        found = self.ask("/config_dump?resource=dynamic_active_clusters").get("configs", [])
        return {each["cluster"]["name"] for each in found}

    def weights(self) -> dict[str, int]:
        """The weights by virtual node of its first egress route that leads to some."""
        (found,) = self.ask("/config_dump?resource=dynamic_route_configs")["configs"]
        routes = [route for host in found["route_config"]["virtual_hosts"] for route in host["routes"]]
        actions = [route["route"] for route in routes if "route" in route]
        parts = next(each["weighted_clusters"]["clusters"] for each in actions if "weighted_clusters" in each)
        return {each["name"].split("/")[2]: each["weight"] for each in parts}


@contextmanager
def running(
    port: int, arn: str, folder: Path, account: str = OWNER, *, cut: bool = False, **more: Any
) -> Iterator[Envoy]:
    """An Envoy of a virtual node (its ARN) with the task role of an account, for the time of a `with` block."""
    wire = Wire(port, account)
    wire.cut = cut
    envoy = Envoy(wire, arn, folder, **more)
    try:
        yield envoy
    finally:
        envoy.process.kill()
        envoy.process.wait()
        wire.shutdown()
        wire.server_close()
