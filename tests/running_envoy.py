"""A real Envoy with a static bootstrap, and small applications for it to talk to."""

import http.client
import http.server
import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.envoy_static import ENVOY


def free_port() -> int:
    """A port that nobody listens to now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def running_envoy(bootstrap: dict[str, Any], folder: Path, *ports: int) -> Iterator[None]:
    """Run Envoy until its listeners answer on these ports, and stop it after."""
    config, log = folder / f"envoy-{ports[0]}.json", folder / f"envoy-{ports[0]}.log"
    config.write_text(json.dumps(bootstrap))
    command = [ENVOY, "-c", config, "--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warning"]
    with log.open("w") as output:
        envoy = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        for port in ports:
            wait_for(port, log, envoy)
        yield
    finally:
        envoy.terminate()
        envoy.wait(10)


def wait_for(port: int, log: Path, envoy: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert envoy.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.02)


def get(port: int, path: str = "/", host: str = "b.local", **headers: str) -> tuple[int, str]:
    """Send a request to a port of this machine; the status and the body of its answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path, headers={"Host": host, **headers})
    answer = connection.getresponse()
    found = answer.status, answer.read().decode()
    connection.close()
    return found


@contextmanager
def application(name: str, refuses: int = 0) -> Iterator[tuple[int, list[str]]]:
    """An HTTP server that answers with its name, the path and Host; the first requests it answers with 503.

    Gives its port and the paths that it was asked for.
    """
    asked: list[str] = []

    class Answers(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            asked.append(self.path)
            body = f"{name} {self.path} {self.headers['Host']}".encode()
            self.send_response(503 if len(asked) <= refuses else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server.server_address[1], asked
    finally:
        server.shutdown()
        server.server_close()
