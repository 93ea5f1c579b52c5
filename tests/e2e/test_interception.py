"""Transparent interception: tasks in networks of their own, redirected as their proxy configuration says."""

import http.server
import subprocess
import threading
import urllib.request

import pytest

from domain.bootstrap import bootstrap
from domain.enrolment import parse_enrolment
from domain.sidecar import Sidecar, inject
from local.settings import OWNER, REGION
from tests import network_namespaces
from tests.e2e.conftest import wait_for
from tests.e2e.envoys import CREDENTIALS, Wire
from tests.e2e.test_hosted_mesh import MeshApi
from tests.network_namespaces import GATEWAY, NETWORK, Task
from tests.shapes import TAGS, task_definition

LACKS = network_namespaces.missing()
pytestmark = pytest.mark.skipif(bool(LACKS), reason=LACKS)

MESH = "redirected"
SERVICE = "callee.redirected.local"
NOBODY = f"{NETWORK}.200"
"""An address in the network that nothing has."""
CALLEE = f"{NETWORK}.3"
APPLICATION = """
import http.server
class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "6")
        self.end_headers()
        self.wfile.write(b"callee")
http.server.HTTPServer(("", 80), Answers).serve_forever()
"""
ASK = """
import http.client
try:
    connection = http.client.HTTPConnection({address!r}, {port}, timeout=5)
    connection.request("GET", "/", headers={{"Host": {host!r}}})
    answer = connection.getresponse()
    print(answer.status, answer.read().decode())
except (OSError, http.client.HTTPException) as error:
    print("refused", type(error).__name__)
"""
STATISTIC = """
import json, urllib.request
url = "http://127.0.0.1:9901/stats?format=json&filter=^http.ingress/80.downstream_rq_total$"
print(json.load(urllib.request.urlopen(url, timeout=5))["stats"][0]["value"])
"""


def injected(name, url):
    """The task definition that injection makes for a virtual node, with a bootstrap that polls a URL."""
    arn = f"arn:aws:appmesh:{REGION}:{OWNER}:mesh/{MESH}/virtualNode/{name}"
    sidecar = Sidecar("envoy:1", arn, (80,), bootstrap(arn, url, "lambda", REGION, 1))
    return inject(task_definition(), parse_enrolment(TAGS, name), sidecar).task_definition


@pytest.fixture(scope="module")
def mesh(aws):
    """A caller that declares a callee; what is not in the mesh is dropped."""
    client = MeshApi(aws.instance, aws.owner.outputs["MeshApiUrl"]).client()
    client.create_mesh(meshName=MESH)
    listeners = [{"portMapping": {"port": 80, "protocol": "http"}}]
    for name, address, backends in (("caller", f"{NETWORK}.2", [SERVICE]), ("callee", CALLEE, [])):
        declared = [{"virtualService": {"virtualServiceName": each}} for each in backends]
        found_by = {"dns": {"hostname": address}}
        spec = {"listeners": listeners, "serviceDiscovery": found_by, "backends": declared}
        client.create_virtual_node(meshName=MESH, virtualNodeName=name, spec=spec)
    provider = {"provider": {"virtualNode": {"virtualNodeName": "callee"}}}
    client.create_virtual_service(meshName=MESH, virtualServiceName=SERVICE, spec=provider)
    return client


@pytest.fixture(scope="module")
def tasks(aws, mesh, tmp_path_factory):
    """The two tasks, with healthy Envoys."""
    folder = tmp_path_factory.mktemp("tasks")
    folder.chmod(0o755)
    with network_namespaces.network():
        wire = Wire(aws.instance.port, OWNER, GATEWAY)
        environment = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": wire.url.rstrip("/") + CREDENTIALS}
        try:
            with (
                Task(2, injected("caller", wire.url), folder) as caller,
                Task(3, injected("callee", wire.url), folder) as callee,
            ):
                callee.start(APPLICATION)
                for number, task in enumerate((caller, callee)):
                    task.start_envoy({**environment, "ECS_CONTAINER_METADATA_URI_V4": f"http://metadata/v4/{number}-1"})
                for task in (caller, callee):
                    wait_for(task.healthy, 30)
                yield caller, callee
        finally:
            wire.shutdown()
            wire.server_close()


def ask(task, address, host=SERVICE, port=80):
    return task.python(ASK.format(address=address, host=host, port=port))


def test_what_the_application_sends_to_any_address_finds_the_virtual_service(tasks):
    caller, callee = tasks
    before = int(callee.python(STATISTIC))
    assert ask(caller, NOBODY) == "200 callee"
    assert int(callee.python(STATISTIC)) == before + 1


def test_what_comes_from_outside_the_mesh_goes_through_envoy_too(tasks):
    _, callee = tasks
    before = int(callee.python(STATISTIC))
    with urllib.request.urlopen(f"http://{CALLEE}/", timeout=5) as answer:
        assert (answer.read(), answer.headers["server"]) == (b"callee", "envoy")
    assert int(callee.python(STATISTIC)) == before + 1


def test_a_service_that_is_no_backend_is_not_found(tasks):
    assert ask(tasks[0], CALLEE, "other.redirected.local").startswith("404")


def test_what_is_in_no_mesh_is_reached_where_it_was_meant_to_go_only_if_all_is_allowed(mesh, tasks):
    caller, _ = tasks

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"outside")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer((GATEWAY, 0), Answers)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        assert ask(caller, GATEWAY, "outside", server.server_port).startswith("refused")
        mesh.update_mesh(meshName=MESH, spec={"egressFilter": {"type": "ALLOW_ALL"}})
        wait_for(lambda: ask(caller, GATEWAY, "outside", server.server_port) == "200 outside", 30)
    finally:
        server.shutdown()
        server.server_close()


def test_the_rules_are_those_of_the_proxy_configuration(tasks):
    caller, _ = tasks
    listed = subprocess.run(
        network_namespaces.inside(caller.name, ["iptables", "-t", "nat", "-S"]),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "-m owner --uid-owner 1337 -j RETURN" in listed
    assert "--dports 80 -j REDIRECT --to-ports 15000" in listed
    assert listed.count("-j REDIRECT --to-ports 15001") == 1
