"""What a proxy's clusters are: every listener of a virtual node that its services may lead to, whatever the weight."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from domain.discovery.clusters import host_of, node_cluster
from domain.discovery.endpoints import matching
from domain.discovery.hostnames import ip_preference
from domain.discovery.routes import Upstream, upstreams
from domain.discovery.services import Service, client_policy, mappings
from domain.discovery.terms import CloudMapQuery, Fault, Instances, Moved, Shared
from domain.discovery.tls import caller_tls
from domain.discovery.view import Document, MeshView
from domain.discovery.xds import Resource
from domain.errors import Untranslatable

Spec = Mapping[str, Any]
Reached = Mapping[Upstream, Document]
"""A listener of a virtual node → the node's document."""


def reach(view: MeshView, services: Sequence[Service], moved: Moved) -> tuple[Reached, set[Fault]]:
    """Collect what needs a cluster: all that routes name, and all listeners of the nodes that were named lately."""
    reached: dict[Upstream, Document] = {}
    faults: set[Fault] = set()
    for each in (each for service in services for each in leading(view, service)):
        if isinstance(each, Fault):
            faults.add(each)
        else:
            reached[each] = view.resources[f"virtualNode/{each.node}"]
    own = [service.name for service in services if service.own_policy]
    for path, document in moved.former.items():
        for number, protocol in mappings(document["spec"]):
            for service in ("", *own):
                reached.setdefault(Upstream(path.partition("/")[2], number, protocol, service), document)
    return reached, faults


def leading(view: MeshView, service: Service) -> tuple[Upstream | Fault, ...]:
    """Everything that a service leads to."""
    return view.once(
        ("upstreams", service.name, service.own_policy),
        lambda: tuple(each for port in service.ports for each in upstreams(view, service, port)),
    )


def queries(view: MeshView, reached: Reached) -> tuple[CloudMapQuery, ...]:
    """Say what has to be asked of Cloud Map, in order.

    Only about nodes that the mesh owner's account made: a node means its own account's namespaces, and those of
    others cannot be read.
    """
    asked = {query_of(each, document) for each, document in reached.items() if is_ours(view, document)}
    return tuple(sorted(query for query in asked if query))


def query_of(upstream: Upstream, document: Document) -> CloudMapQuery | None:
    """What a virtual node asks of Cloud Map, or None when it is discovered in another way."""
    found = document["spec"].get("serviceDiscovery", {}).get("awsCloudMap")
    if found is None:
        return None
    attributes = tuple(sorted((each["key"], each["value"]) for each in found.get("attributes", ())))
    return CloudMapQuery(found["namespaceName"], found["serviceName"], attributes, f"virtualNode/{upstream.node}")


def is_ours(view: MeshView, document: Document) -> bool:
    """Whether the mesh owner's account made a resource."""
    owner: str = document.get("metadata", {}).get("resourceOwner", view.owner)
    return owner == view.owner


def reached_clusters(
    view: MeshView, path: str, services: Sequence[Service], reached: Reached, instances: Instances
) -> tuple[list[Resource], set[Fault]]:
    """Write the clusters of a proxy. One that cannot be written is missing: what is sent there is answered with 503."""
    default = client_policy((view.find_spec(path) or {}).get("backendDefaults", {}))
    policies = {service.name: service.policy for service in services}
    written: list[Resource] = []
    faults: set[Fault] = set()
    for each in sorted(reached):
        where = f"the client policy for {each.service}" if each.service else "spec.backendDefaults.clientPolicy.tls"
        policy, document = policies[each.service] if each.service else default, reached[each]
        listener = listener_of(each, document)
        try:
            secured = caller_tls(policy, listener, host_of(document["spec"].get("serviceDiscovery", {})), where)
        except Untranslatable as error:
            faults.add(Fault(path, str(error)))
            continue
        try:
            if secured or query_of(each, document) or document is not view.resources.get(f"virtualNode/{each.node}"):
                written.append(cluster_of(view, each, document, listener, secured, instances))
            else:
                written.append(plain_cluster(view, each, document, listener))
        except Untranslatable as error:
            faults.add(Fault(f"virtualNode/{each.node}", str(error)))
        if query_of(each, document) and not is_ours(view, document):
            owner = document["metadata"]["resourceOwner"]
            said = f"spec.serviceDiscovery.awsCloudMap is account {owner}'s, which cannot be read from here; use dns"
            faults.add(Fault(f"virtualNode/{each.node}", said))
    return written, faults


def listener_of(upstream: Upstream, document: Document) -> Spec:
    """The listener that is reached; a node without listeners is taken at its callers' word."""
    assumed = {"portMapping": {"port": upstream.port, "protocol": upstream.protocol}}
    listeners = document["spec"].get("listeners", ())
    return next((each for each in listeners if each["portMapping"]["port"] == upstream.port), assumed)


def plain_cluster(view: MeshView, upstream: Upstream, document: Document, listener: Spec) -> Resource:
    """Write a cluster that is the same for everybody."""
    return view.once(("cluster", upstream), lambda: Shared(cluster_of(view, upstream, document, listener, None, {})))


def cluster_of(
    view: MeshView,
    upstream: Upstream,
    document: Document,
    listener: Spec,
    secured: Resource | None,
    instances: Instances,
) -> Resource:
    """Write the cluster of one listener of a virtual node."""
    spec = document["spec"]
    query = query_of(upstream, document)
    found = matching(instances.get(query, ()), dict(query.attributes)) if query else []
    # What an instance registered is one port; it says which only where there is one.
    if len(spec.get("listeners", ())) > 1:
        found = [replace(each, port=None) for each in found]
    name, stat_name = (each.cluster(view.name) for each in (upstream, upstream._replace(service="")))
    preference = ip_preference(view, spec)
    return node_cluster(name, stat_name, spec.get("serviceDiscovery", {}), listener, preference, found, secured)
