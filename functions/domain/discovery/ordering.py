"""Make before break, which REST discovery does not do by itself (docs/decisions/0007-discovery.md).

An Envoy polls clusters and routes each in its own rhythm. A route that names a cluster which it does not have yet
answers 503. So what was written lately is held back until every cluster poll must have brought what it leads to, and
what it led to before is served as long. Where there was nothing before, there is nothing to hold on to: it is served at
once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from domain.bootstrap import heard_seconds
from domain.discovery.routes import weighted_targets
from domain.discovery.services import declared, mappings, target_service
from domain.discovery.terms import NOTHING_MOVED, Moved
from domain.discovery.view import Document, MeshView
from domain.hosted.specs import ROUTE_PROTOCOLS, references
from domain.hosted.state import Write

WRITE_SECONDS = 8
"""How long after its time stamp a write may take effect: two tries of DynamoDB's client with their time-outs."""
Documents = Mapping[str, Document | None]
"""What stands at which path instead of what the mesh holds there; None for nothing."""


def settle_seconds(poll_seconds: int) -> int:
    """How long after a write an Envoy that polls this often surely knows of it.

    >>> settle_seconds(5)
    23
    """
    return heard_seconds(poll_seconds) + WRITE_SECONDS


def recent_of(writes: Iterable[Write], since: float) -> list[Write]:
    """Take the writes after a moment out of a history, newest first, back to the making of the mesh at most."""
    found: list[Write] = []
    for write in writes:
        if write.at <= since or (not write.path and write.before is None):
            break
        if write.path:
            found.append(write)
    return found


@dataclass(frozen=True)
class Links:
    """What leads to what, in all versions of a mesh's resources that Envoys may know by now."""

    children: Mapping[str, tuple[str, ...]]
    documents: Mapping[str, tuple[Document, ...]]

    def nodes(self, path: str, *, start: bool = True) -> Iterator[str]:
        """The paths of the virtual nodes that a resource leads to; a virtual node that is led to is an end."""
        if path.startswith("virtualNode/") and not start:
            yield path
            return
        for document in self.documents.get(path, ()):
            for named, _ in links(path, document):
                if named != path:
                    yield from self.nodes(named, start=False)
        for child in self.children.get(path, ()):
            yield from self.nodes(child, start=False)


@dataclass(frozen=True)
class Ordered:
    """A mesh as an Envoy may be told of it, valid `until` a moment (None: until it changes)."""

    view: MeshView
    until: float | None = None
    former: Mapping[str, Document] = field(default_factory=dict)
    """Virtual nodes that something leads to, or led to lately, which not every Envoy can know."""
    own: Mapping[str, Document] = field(default_factory=dict)
    """Virtual nodes that others still meet as they were, as they are for themselves."""
    lately: Links | None = None

    def told(self, path: str) -> tuple[MeshView, Moved]:
        """What one proxy may be told of: the mesh, and the nodes whose clusters it needs although nothing leads there.

        A proxy that none of it concerns is told the same as ever.
        """
        view = self.view
        if path in self.own:
            view = replace(view, resources={**view.resources, path: self.own[path]})
        if self.lately is None or not self.former:
            return view, NOTHING_MOVED
        reached = self.former.keys() & set(self.lately.nodes(path))
        return view, Moved(former={node: self.former[node] for node in sorted(reached)})


def ordered(view: MeshView, writes: Sequence[Write], now: float, settle: float) -> Ordered:
    """Hold back what not every Envoy can know yet, and keep what it may still be led to.

    `writes`: the mesh's latest, newest first, at least those of the last `settle` seconds.
    """
    recent = [write for write in writes if write.at > now - settle]
    if not recent:
        return Ordered(view)
    before = replace(view, resources=replaced(view, {write.path: write.before for write in recent}))
    lately = links_of(before, view, recent)
    former = moved_nodes(lately, recent)
    stead: dict[str, Document | None] = {path: each for path, each in former.items() if path not in view.resources}
    own: dict[str, Document] = {}
    for path in sorted({write.path for write in recent}):
        then, present = before.resources.get(path), view.resources.get(path)
        if present is None or (then is not None and then["spec"] == present["spec"]):
            continue
        kind = path.split("/")[-2]
        if kind in ("route", "gatewayRoute") and then is None:
            stead |= new_route(before, view, path)
        elif kind == "virtualNode" and then is not None:
            own[path] = open_node(before, view, path)
            stead[path] = then if mappings(then["spec"]) != mappings(present["spec"]) else own[path]
        elif kind == "route" and then is not None:
            stead[path] = moved_targets(then, present, [write.before for write in recent if write.path == path])
        elif then is not None:
            stead |= HOLDS[kind](before, view, path) if kind in HOLDS else {}
    until = min(write.at for write in recent) + settle
    return Ordered(replace(view, resources=replaced(view, stead)), until, former, own, lately)


def replaced(view: MeshView, stead: Documents) -> dict[str, Document]:
    found = {**view.resources, **stead}
    return {path: document for path, document in found.items() if document is not None}


def new_route(before: MeshView, view: MeshView, path: str) -> Documents:
    """A new route waits behind those that were there, and those stay as long; the first of all is served at once."""
    others = before.children.get(path.rsplit("/", 2)[0], ())
    gone = {other: before.resources[other] for other in others if other not in view.resources}
    return {path: None, **gone} if others else {}


def moved_targets(then: Document, present: Document, between: Sequence[Document | None]) -> Document:
    """New targets get no weight. When all weight is on new ones, the old ones carry it until then: as they did last,
    not as they did at first, for meanwhile a roll back may have taken it off one of them.

    `between`: what the route was before each of its latest writes, newest first.
    """
    spec = present["spec"]
    known = {(each["virtualNode"], each.get("port")) for each in weighted_targets(then["spec"])}
    targets: list[Any] = []
    for document in (present, *between):
        if document is not None and not any(each["weight"] for each in targets):
            found = weighted_targets(document["spec"])
            targets = [each for each in found if (each["virtualNode"], each.get("port")) in known]
    member = next(member for member in ROUTE_PROTOCOLS if member in spec)
    route = {**spec[member], "action": {**spec[member]["action"], "weightedTargets": targets}}
    return {**present, "spec": {**spec, member: route}}


def moved_gateway_route(before: MeshView, view: MeshView, path: str) -> Documents:
    """A gateway route that leads to another virtual service stays as it was, if that service is there still."""
    then, present = before.resources[path], view.resources[path]
    service = target_service(then["spec"])
    stays = service != target_service(present["spec"]) and f"virtualService/{service}" in view.resources
    return {path: then} if stays else {}


def moved_provider(before: MeshView, view: MeshView, path: str) -> Documents:
    """A virtual service stays with what provided it, router and routes included; with nobody it does not stay."""
    then = before.resources[path]
    provider = next(iter(references("virtualService", then["spec"])), None)
    if provider is None or provider not in before.resources:
        return {}
    needed = (provider, *before.children.get(provider, ()))
    return {path: then} | {each: before.resources[each] for each in needed if each not in view.resources}


def open_node(before: MeshView, view: MeshView, path: str) -> Document:
    """A node without its new backends, where requests to them get through outside of the mesh until they are known."""
    present = view.resources[path]
    if view.spec.get("egressFilter", {}).get("type") != "ALLOW_ALL":
        return present
    known = {name for name, _ in declared(before, path, before.resources[path]["spec"])}
    backends = present["spec"].get("backends", ())
    kept = [each for each in backends if each["virtualService"]["virtualServiceName"] in known]
    return {**present, "spec": {**present["spec"], "backends": kept}}


HOLDS = {"gatewayRoute": moved_gateway_route, "virtualService": moved_provider}


def links_of(before: MeshView, view: MeshView, recent: Sequence[Write]) -> Links:
    """Collect every version of every resource that was in effect lately."""
    documents = {path: (document,) for path, document in {**before.resources, **view.resources}.items()}
    for write in recent:
        versions = [each for each in (write.before, write.after) if each is not None]
        documents[write.path] = (*documents.get(write.path, ()), *versions)
    merged = replace(view, resources={path: versions[0] for path, versions in documents.items()})
    return Links(merged.children, documents)


def moved_nodes(lately: Links, recent: Sequence[Write]) -> dict[str, Document]:
    """The virtual nodes that something began or ceased to lead to, as they are or were last. Weights change nothing."""
    found: set[str] = set()
    for write in recent:
        for path, _ in links(write.path, write.before) ^ links(write.path, write.after):
            found |= {path} if path == write.path else set(lately.nodes(path, start=False))
    return {path: lately.documents[path][0] for path in sorted(found) if path in lately.documents}


def links(path: str, document: Document | None) -> set[tuple[str, object]]:
    """What a resource leads to, with the ports; a virtual node leads to its listeners and its backends."""
    if document is None:
        return set()
    spec, kind = document["spec"], path.split("/")[-2]
    if kind == "virtualNode":
        services = {
            f"virtualService/{each['virtualService']['virtualServiceName']}" for each in spec.get("backends", ())
        }
        return {(path, mapping) for mapping in mappings(spec)} | {(service, None) for service in services}
    return set(references(kind, spec).items())
