"""Real Envoys on the bootstrap that injection writes, fed by the deployed `discover`."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import pytest

from local.settings import CONSUMER, OWNER, REGION
from tests.app_mesh_sweep import BACKEND, HTTP2
from tests.e2e import envoys
from tests.e2e.conftest import STRANGER, wait_for
from tests.e2e.test_hosted_mesh import SHARED_MESHES, MeshApi
from tests.polls import request_body, spec, weights

MESH = "discovery"
STAYS = 2.5
"""Seconds that what must not change is watched: two polls and more."""


def arn(node, mesh=MESH, owner=OWNER):
    return f"arn:aws:appmesh:{REGION}:{owner}:mesh/{mesh}/virtualNode/{node}"


@pytest.fixture(scope="module")
def api(aws):
    return MeshApi(aws.instance, aws.owner.outputs["MeshApiUrl"])


@pytest.fixture(scope="module")
def mesh(aws, api):
    """serviceA calls serviceB, which has two nodes; `discover` is warm: cold starts take their time here."""
    client = api.client()
    client.create_mesh(meshName=MESH)
    node = partial(client.create_virtual_node, meshName=MESH)
    node(virtualNodeName="serviceB", spec=spec("serviceB"))
    node(virtualNodeName="serviceBv2", spec=spec("serviceBv2"))
    node(virtualNodeName="serviceA", spec=spec("serviceA", BACKEND))
    router = {"meshName": MESH, "virtualRouterName": "serviceb"}
    client.create_virtual_router(**router, spec={"listeners": [HTTP2]})
    client.create_route(**router, routeName="all", spec=weights(serviceB=75, serviceBv2=25))
    provider = {"provider": {"virtualRouter": {"virtualRouterName": "serviceb"}}}
    client.create_virtual_service(meshName=MESH, virtualServiceName="serviceb.apps.local", spec=provider)
    with ThreadPoolExecutor(3) as pool:
        polls = pool.map(partial(poll, aws, resource="virtualNode/serviceA"), ["clusters", "listeners", "clusters"])
        assert [status for status, _ in polls] == [200] * 3
    return client


def poll(aws, kind, account=OWNER, **told):
    """Ask as an Envoy does, without one."""
    url = MeshApi(aws.instance, aws.owner.outputs["DiscoveryUrl"])
    return url.send("POST", f"/v3/discovery:{kind}", request_body(kind, mesh=MESH, **told), account)


@pytest.fixture
def start(aws, mesh, tmp_path):
    """Start an Envoy for the time of a `with` block."""

    @contextmanager
    def started(node="serviceA", account=OWNER, **more):
        with envoys.running(aws.instance.port, arn(node), tmp_path, account, **more) as envoy:
            yield envoy

    return started


def stays_unhealthy(envoy):
    end = time.monotonic() + STAYS
    while time.monotonic() < end:
        assert not envoy.healthy()
        time.sleep(0.2)
    return True


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "compressed"])
@pytest.mark.parametrize("interception", ["transparent", "proxy"])
def test_an_envoy_is_healthy_within_three_seconds_and_then_told_nothing_twice(start, compress, interception):
    with start(compress=compress, interception=interception) as envoy:
        wait_for(envoy.healthy, 3)
        assert time.monotonic() - envoy.began < 3
        wait_for(lambda: all(304 in envoy.wire.statuses(kind) for kind in ("clusters", "listeners", "routes")), 10)
        for kind in ("clusters", "listeners", "routes"):
            assert envoy.wire.statuses(kind).count(200) == 1
        assert envoy.weights() == {"serviceB": 75, "serviceBv2": 25}
        assert {name.split("/")[2] for name in envoy.clusters() if "/virtualNode/" in name} == {
            "serviceB",
            "serviceBv2",
        }
        assert ("content-encoding" in envoy.wire.headers) == compress
        assert "/lambda/aws4_request" in envoy.wire.headers["authorization"]
        assert envoy.wire.headers["host"] == "127.0.0.1"
        identity = envoy.ask("/server_info")["node"]["id"]
        assert identity == f"mesh/{MESH}/virtualNode/serviceA/0123456789abcdef-1"


def test_an_envoy_stays_unhealthy_while_discovery_is_down_and_recovers(start):
    with start(cut=True) as envoy:
        stays_unhealthy(envoy)
        envoy.wire.cut = False
        wait_for(envoy.healthy, 10)


def test_an_envoy_stays_unhealthy_while_its_node_is_unknown(start, mesh):
    with start("late") as envoy:
        stays_unhealthy(envoy)
        assert set(envoy.wire.statuses("clusters")) == {503}
        mesh.create_virtual_node(meshName=MESH, virtualNodeName="late", spec=spec("late"))
        wait_for(envoy.healthy, 10)


def test_an_envoy_keeps_what_it_has_when_discovery_fails_later(start, mesh):
    route = {"meshName": MESH, "virtualRouterName": "serviceb", "routeName": "all"}
    with start() as envoy:
        wait_for(envoy.healthy, 3)
        envoy.wire.cut = True
        mesh.update_route(**route, spec=weights(serviceB=50, serviceBv2=50))
        time.sleep(STAYS)
        assert envoy.healthy()
        assert envoy.weights() == {"serviceB": 75, "serviceBv2": 25}
        envoy.wire.cut = False
        wait_for(lambda: envoy.weights() == {"serviceB": 50, "serviceBv2": 50}, 10)
        mesh.update_route(**route, spec=weights(serviceB=75, serviceBv2=25))
        wait_for(lambda: envoy.weights() == {"serviceB": 75, "serviceBv2": 25}, 10)
        assert envoy.wire.statuses("listeners").count(200) == 1


def test_an_envoy_knows_a_new_target_before_it_gets_traffic(start, mesh):
    target = {"meshName": MESH, "virtualNodeName": "serviceBv3"}
    route = {"meshName": MESH, "virtualRouterName": "serviceb", "routeName": "all"}
    mesh.create_virtual_node(**target, spec=spec("serviceBv3"))
    with start() as envoy:
        wait_for(envoy.healthy, 3)
        mesh.update_route(**route, spec=weights(serviceB=50, serviceBv2=25, serviceBv3=25))
        wait_for(lambda: any("serviceBv3" in name for name in envoy.clusters()), 10)
        assert "serviceBv3" not in envoy.weights()
        wait_for(lambda: envoy.weights() == {"serviceB": 50, "serviceBv2": 25, "serviceBv3": 25}, 30)
        mesh.update_route(**route, spec=weights(serviceB=75, serviceBv2=25))
        mesh.delete_virtual_node(**target)
        wait_for(lambda: "serviceBv3" not in envoy.weights(), 10)
        assert any("serviceBv3" in name for name in envoy.clusters())


@pytest.mark.parametrize("account", [CONSUMER, STRANGER])
def test_the_envoy_of_another_account_is_refused(start, account):
    with start(account=account) as envoy:
        stays_unhealthy(envoy)
        assert set(envoy.wire.statuses("clusters")) == {403}


def test_a_consumers_envoy_polls_the_owner_of_the_mesh(start, api, mesh):
    api.share(MESH, CONSUMER)
    theirs = {"meshName": MESH, "meshOwner": OWNER, "virtualNodeName": "theirs"}
    api.client(CONSUMER).create_virtual_node(**theirs, spec=spec("theirs", BACKEND))
    with start("theirs", CONSUMER) as envoy:
        wait_for(envoy.healthy, 10)
        assert envoy.weights() == {"serviceB": 75, "serviceBv2": 25}
    assert api.send("GET", f"{SHARED_MESHES}/{MESH}/principals")[0] == 200


def test_the_stack_says_where_discovery_is_and_so_does_the_card(aws):
    card = aws.owner.client("ssm").get_parameter(Name="/meshift/meshes/apps")["Parameter"]["Value"]
    discovery = json.loads(card)["discovery"]
    assert (discovery["endpoint"], discovery["signingName"]) == (aws.owner.outputs["DiscoveryUrl"], "lambda")
    assert "DiscoverFunction" in discovery["function"]
