"""Real Envoys on this machine, each as its container would run it, and what their administration says.

The wheel's `envoy` is a script that becomes the binary; bash is what upstream's image has, too.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent
_http = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def start(command: Sequence[str], environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start what a container runs; its output goes to the log."""
    path = os.pathsep.join([str(BIN), "/usr/local/bin", "/usr/bin", "/bin"])
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            env={"PATH": path, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def stop(envoy: subprocess.Popen[bytes]) -> None:
    """End an Envoy as ECS ends a container: SIGTERM, and SIGKILL for one that does not go."""
    if envoy.poll() is None:
        envoy.send_signal(signal.SIGTERM)
        try:
            envoy.wait(5)
        except subprocess.TimeoutExpired:
            envoy.kill()
            envoy.wait()


def passes(check: Sequence[str], seconds: float = 5) -> bool:
    """Run a container's health check."""
    try:
        return subprocess.run(check, capture_output=True, timeout=seconds, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def ask(admin: int, path: str) -> Any:
    """Ask an Envoy's administration for JSON."""
    with _http.open(f"http://127.0.0.1:{admin}{path}", timeout=5) as answer:
        return json.load(answer)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens to now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def listens(port: int) -> bool:
    """Whether somebody takes connections at a port of this machine."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
