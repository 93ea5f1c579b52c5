"""What Envoy is answered. The version of an answer is its content: the same resources have the same version, whoever
wrote them and whenever, so that Envoy takes over only what is new to it.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from domain.discovery.terms import Configuration, Resource, Shared, written

TYPE_URLS = {
    "clusters": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    "endpoints": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
    "listeners": "type.googleapis.com/envoy.config.listener.v3.Listener",
    "routes": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
}
JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Answer:
    """A discovery response, written already, and its version."""

    version: str
    body: str


def texts_of(configuration: Configuration, kind: str) -> dict[str, str]:
    """Write the resources of a kind, by name."""
    found: tuple[Resource, ...] = getattr(configuration, kind)
    member = "cluster_name" if kind == "endpoints" else "name"
    return {each[member]: routes_text(each) if kind == "routes" else text_of(each) for each in found}


def routes_text(routes: Resource) -> str:
    """Write a route configuration out of its virtual hosts, of which other Envoys have the same."""
    hosts = ",".join(map(text_of, routes["virtual_hosts"]))
    rest = {name: value for name, value in routes.items() if name != "virtual_hosts"}
    return f'{text_of(rest)[:-1]},"virtual_hosts":[{hosts}]}}'


def text_of(resource: Resource) -> str:
    return resource.text if isinstance(resource, Shared) else written(resource)


def answer_of(kind: str, texts: Iterable[str]) -> Answer:
    """Write the response for resources of a kind, which are written already."""
    listed = ",".join(texts)
    version = hashlib.sha256(listed.encode()).hexdigest()[:16]
    return Answer(version, f'{{"version_info":"{version}","type_url":"{TYPE_URLS[kind]}","resources":[{listed}]}}')


def response(answer: Answer, seen: str) -> dict[str, Any]:
    """Write what a Function URL expects: the answer, or 304 when Envoy has this very version."""
    if answer.version == seen:
        return {"statusCode": 304}
    return {"statusCode": 200, "headers": JSON, "body": answer.body}
