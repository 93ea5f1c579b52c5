"""Polls as Envoys send them, and `discover` in this process, over the same table as the hosted mesh of a test."""

import json
import time
from functools import cache
from pathlib import Path
from typing import Any

from domain.discovery.answers import TYPE_URLS
from gateways.cloud_map import CloudMap
from handlers import discover
from handlers.known_meshes import KnownMeshes
from settings import DiscoverSettings
from tests.app_mesh_sweep import BACKEND, HTTP2
from tests.hosted_mesh import OWNER, REGION, HostedMesh, event, iam_of

ROUTER = {"meshName": "apps", "virtualRouterName": "serviceb"}
ROUTE = {**ROUTER, "routeName": "all"}
EXTENSIONS = Path(__file__).parent / "data" / "envoy-extensions.json"


@cache
def extensions() -> list[dict[str, Any]]:
    """What Envoy 1.40 says about itself in every poll."""
    found: list[dict[str, Any]] = json.loads(EXTENSIONS.read_text())
    return found


def metadata(mesh: str = "apps", resource: str = "virtualNode/serviceA", **more: Any) -> dict[str, Any]:
    return {
        "mesh": mesh,
        "meshOwner": OWNER,
        "resource": resource,
        "interception": "transparent",
        "pollSeconds": 5.0,
        "inboundPort": 15000.0,
        "outboundPort": 15001.0,
        **more,
    }


def request_body(kind: str, version: str = "", names: tuple[str, ...] = (), **told: Any) -> dict[str, Any]:
    """Write a discovery request with all that Envoy puts into it."""
    found = metadata(**told)
    resource = f"mesh/{found['mesh']}/{found['resource']}"
    return {
        **({"version_info": version} if version else {}),
        "node": {
            "id": f"{resource}/0123456789abcdef0123456789abcdef-1234567890",
            "cluster": resource,
            "metadata": found,
            "user_agent_name": "envoy",
            "extensions": extensions(),
        },
        **({"resource_names": list(names)} if names else {}),
        "type_url": TYPE_URLS[kind],
    }


def spec(name: str, *backends: dict[str, Any]) -> dict[str, Any]:
    """The spec of a virtual node that is found by DNS."""
    dns = {"dns": {"hostname": f"{name.lower()}.apps.local"}}
    return {"listeners": [HTTP2], "serviceDiscovery": dns, "backends": list(backends)}


def weights(**by_node: int) -> dict[str, Any]:
    """The spec of a route for everything."""
    targets = [{"virtualNode": node, "weight": weight} for node, weight in by_node.items()]
    return {"http2Route": {"match": {"prefix": "/"}, "action": {"weightedTargets": targets}}}


def make_tutorial(client: Any) -> None:
    """Make the tutorial's mesh: serviceA calls serviceB, which has two nodes behind a router; serviceC stands aside."""
    client.create_mesh(meshName="apps")
    for name, *backends in (("serviceA", BACKEND), ("serviceB",), ("serviceBv2",), ("serviceC",)):
        client.create_virtual_node(meshName="apps", virtualNodeName=name, spec=spec(name, *backends))
    client.create_virtual_router(**ROUTER, spec={"listeners": [HTTP2]})
    client.create_route(**ROUTE, spec=weights(serviceB=75, serviceBv2=25))
    provider = {"provider": {"virtualRouter": {"virtualRouterName": "serviceb"}}}
    client.create_virtual_service(meshName="apps", virtualServiceName="serviceb.apps.local", spec=provider)


class Discovery:
    """`discover` over the table of a hosted mesh.

    `warm` is what its container knows; `later` how many seconds its clock is ahead: so long that all settled.
    """

    def __init__(self, mesh: HostedMesh, cloud_map: Any = None) -> None:
        self.mesh, self.cloud_map = mesh, cloud_map
        self.settings = DiscoverSettings(REGION, mesh.store.table)
        self.later = 3600.0
        self.restart()

    def clock(self) -> float:
        return time.time() + self.later

    def restart(self) -> None:
        """Begin with a cold container."""
        self.warm = KnownMeshes(self.mesh.store, CloudMap(self.cloud_map, self.clock), OWNER)

    def poll(
        self,
        kind: str,
        version: str = "",
        names: tuple[str, ...] = (),
        account: str = OWNER,
        arn: str | None = None,
        **told: Any,
    ) -> dict[str, Any]:
        """Let an Envoy ask, and give back the Function URL's response."""
        return self.send(f"/v3/discovery:{kind}", request_body(kind, version, names, **told), account, arn)

    def send(
        self, path: str, body: Any, account: str = OWNER, arn: str | None = None, method: str = "POST", **headers: str
    ) -> dict[str, Any]:
        """Send any request."""
        text = body if isinstance(body, str | bytes) else json.dumps(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        asked = event(method, path, "", text, iam_of(account, arn) if account else None, named)
        return discover.serve(asked, self.settings, self.warm, self.clock())

    def resources(self, kind: str, names: tuple[str, ...] = (), **told: Any) -> list[dict[str, Any]]:
        """The resources that an Envoy is given."""
        answer = self.poll(kind, names=names, **told)
        assert answer["statusCode"] == 200, answer
        found: list[dict[str, Any]] = json.loads(answer["body"])["resources"]
        return found

    def names(self, kind: str, **told: Any) -> list[str]:
        """The names of the resources that an Envoy is given."""
        return [each["name"] for each in self.resources(kind, **told)]

    def weights(self, **told: Any) -> dict[str, int]:
        """The weights by virtual node in the first route that an Envoy is given."""
        (routes,) = self.resources("routes", ("egress",), **told)
        action = routes["virtual_hosts"][0]["routes"][0]["route"]
        if "cluster" in action:
            return {action["cluster"].split("/")[2]: 100}
        return {each["name"].split("/")[2]: each["weight"] for each in action["weighted_clusters"]["clusters"]}
