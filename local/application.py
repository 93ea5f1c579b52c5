"""The applications of all tasks: small HTTP servers that say which version they are, in one process.

The process is an Envoy that answers by itself, over HTTP/1 and HTTP/2 at the same port: nothing here has to be faster
than what it is asked by. An image is its version; one whose tag is `bad` answers every second request with 500.

| header of the answer | says |
|---|---|
| `x-version` | name and tag of the image, as the body does |
| `x-task` | which task answered |
| `x-path`, `x-authority` | what it was asked for |

A request may ask to be answered late (`x-envoy-fault-delay-request`: milliseconds) or badly
(`x-envoy-fault-abort-request`: the status).
"""

import json
import subprocess
import threading
from pathlib import Path
from typing import Any

from local import envoys
from local.placement import LOOPBACK

BAD = "bad"
_TYPES = "type.googleapis.com/envoy.extensions.filters"
Resource = dict[str, Any]


def version_of(image: str) -> str:
    """The name and tag of an image.

    >>> version_of("registry.example:5000/shop/serviceb:2")
    'serviceb:2'
    """
    return image.rpartition("/")[2]


def listener(task: str, image: str, port: int) -> Resource:
    """Write the listener of one application."""
    version = version_of(image)
    headers = {"x-version": version, "x-task": task, "x-path": "%REQ(:PATH)%", "x-authority": "%REQ(:AUTHORITY)%"}
    half = {"default_value": {"numerator": 50, "denominator": "HUNDRED"}}
    answers = [_answer({"runtime_fraction": half}, 500, version)] if version.endswith(f":{BAD}") else []
    answers += [
        # A call of gRPC is answered in its trailers, which come first where there is nothing else.
        _answer({"grpc": {}}, 200, "", {"content-type": "application/grpc", "grpc-status": "0"}),
        _answer({}, 200, version),
    ]
    settings = {
        "@type": f"{_TYPES}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "application",
        "generate_request_id": False,
        "http_filters": [
            {
                "name": "envoy.filters.http.fault",
                "typed_config": {
                    "@type": f"{_TYPES}.http.fault.v3.HTTPFault",
                    "delay": {"header_delay": {}, "percentage": {"numerator": 100}},
                    "abort": {"header_abort": {}, "percentage": {"numerator": 100}},
                },
            },
            {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{_TYPES}.http.router.v3.Router"}},
        ],
        "route_config": {
            "name": version,
            "response_headers_to_add": [_header(*each) for each in headers.items()],
            "virtual_hosts": [{"name": version, "domains": ["*"], "routes": answers}],
        },
    }
    manager = {"name": "envoy.filters.network.http_connection_manager", "typed_config": settings}
    return {
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": f"{task}/{port}",
        "address": {"socket_address": {"address": LOOPBACK, "port_value": port}},
        "filter_chains": [{"filters": [manager]}],
    }


def _answer(match: Resource, status: int, body: str, headers: dict[str, str] | None = None) -> Resource:
    said = {"body": {"inline_string": body}} if body else {}
    added = {"response_headers_to_add": [_header(*each) for each in headers.items()]} if headers else {}
    return {"match": {"prefix": "/", **match}, "direct_response": {"status": status, **said}, **added}


def _header(name: str, value: str) -> Resource:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


class Applications:
    """The process that all applications are in; it starts with the first one."""

    def __init__(self, folder: Path) -> None:
        """Keep its files in a folder."""
        self._folder, self._lock = folder, threading.Lock()
        self._listeners: dict[str, list[Resource]] = {}
        self._version = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, task: str, image: str, ports: list[int]) -> None:
        """Start a task's application at these ports of this machine."""
        with self._lock:
            self._listeners[task] = [listener(task, image, port) for port in ports]
            self._write()
            if self._process is None or self._process.poll() is not None:
                self._process = self._started()

    def stop(self, task: str) -> None:
        """Stop a task's application."""
        with self._lock:
            if self._listeners.pop(task, None):
                self._write()

    def _write(self) -> None:
        """Envoy reads the file again when another takes its name."""
        self._version += 1
        listed = [each for listeners in self._listeners.values() for each in listeners]
        new, file = self._folder / "applications.new", self._folder / "applications.json"
        new.write_text(json.dumps({"version_info": str(self._version), "resources": listed}))
        new.rename(file)

    def _started(self) -> subprocess.Popen[bytes]:
        source = {"path_config_source": {"path": str(self._folder / "applications.json")}, "resource_api_version": "V3"}
        document = {"dynamic_resources": {"lds_config": source}, "node": {"id": "applications", "cluster": "local"}}
        options = [
            "--use-dynamic-base-id",
            "--log-level",
            "warn",
            "--drain-time-s",
            "1",
            "--drain-strategy",
            "immediate",
        ]
        command = [str(envoys.BIN / "envoy"), "--config-yaml", json.dumps(document), *options]
        return envoys.start(command, {}, self._folder / "applications.log")
