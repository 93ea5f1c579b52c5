"""Make before break, which REST discovery does not do by itself (docs/decisions/0007-discovery.md).

An Envoy polls clusters and routes each in its own rhythm. A route that names a cluster which it does not have yet
answers 503, so nothing new is led to before every cluster poll must have brought it, and nothing old is taken away
before every route poll must have let go of it. What was written within that time is known from the mesh's history.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from domain.bootstrap import REQUEST_SECONDS
from domain.discovery.configuration import NOTHING_MOVED, Moved
from domain.discovery.services import declared, mappings, target_service
from domain.discovery.view import Document, MeshView
from domain.hosted.specs import ROUTE_PROTOCOLS, references
from domain.hosted.state import Write

WRITE_SECONDS = 8
"""How long after its time stamp a write may take effect: two tries of DynamoDB's client with their time-outs."""
Documents = Mapping[str, Document]


def settle_seconds(poll_seconds: int) -> int:
    """How long after a write an Envoy that polls this often surely knows of it.

    Envoy waits up to twice the interval between two polls, and then for the answer.

    >>> settle_seconds(5)
    23
    """
    return 2 * poll_seconds + REQUEST_SECONDS + WRITE_SECONDS


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
class Ordered:
    """A mesh as an Envoy may be told of it, valid `until` a moment (None: until it changes)."""

    view: MeshView
    moved: Moved = NOTHING_MOVED
    until: float | None = None
    own: Documents | None = None
    """Nodes that others are led to as they were: for themselves they are as they are."""

    def view_of(self, path: str) -> MeshView:
        """The view for one proxy."""
        if not self.own or path not in self.own:
            return self.view
        return replace(self.view, resources={**self.view.resources, path: self.own[path]})


def ordered(view: MeshView, writes: Sequence[Write], now: float, settle: float) -> Ordered:
    """Hold back what not every Envoy can know yet, and keep what it may still be led to.

    `writes`: the mesh's latest, newest first, at least those of the last `settle` seconds.
    """
    recent = [write for write in writes if write.at > now - settle]
    if not recent:
        return Ordered(view)
    hold = _Hold(view, recent)
    return Ordered(
        replace(view, resources=hold.resources),
        Moved(frozenset(hold.fresh), hold.former),
        min(write.at for write in recent) + settle,
        hold.own,
    )


class _Hold:
    """The work of one `ordered`: `then` is the mesh before the recent writes, `now` after them."""

    def __init__(self, view: MeshView, recent: Sequence[Write]) -> None:
        self.now: Documents = view.resources
        then: dict[str, Document] = dict(view.resources)
        for write in recent:
            _put(then, write.path, write.before)
        self.then: Documents = then
        self.before, self.after = replace(view, resources=then), view
        self.open = view.spec.get("egressFilter", {}).get("type") == "ALLOW_ALL"
        self.resources = dict(view.resources)
        self.fresh: set[tuple[str, str]] = set()
        self.own: dict[str, Document] = {}
        touched = dict.fromkeys(write.path for write in recent)
        self.former: dict[str, Document] = self._formers(recent)
        for path, document in self.former.items():
            self.resources.setdefault(path, document)
        for path in sorted(touched):
            self._hold(path)

    def _formers(self, recent: Sequence[Write]) -> dict[str, Document]:
        """All nodes that something written recently leads to, or led to, and those that were written themselves."""
        known = {**self.then, **self.now}
        for write in recent:
            for document in (write.before, write.after):
                if document is not None:
                    known.setdefault(write.path, document)
        view = replace(self.after, resources=known)
        nodes: set[str] = set()
        for write in recent:
            for document in (write.before, write.after):
                if document is not None:
                    nodes |= set(_nodes(replace(view, resources={**known, write.path: document}), write.path))
        return {path: known[path] for path in sorted(nodes) if path in known}

    def _hold(self, path: str) -> None:
        then, now = self.then.get(path), self.now.get(path)
        kind = path.split("/")[-2]
        if kind in ("route", "gatewayRoute") and now is not None and then is None:
            self._withhold(path)
        elif now is not None and then is not None and then["spec"] != now["spec"]:
            if kind == "route":
                self._hold_targets(path, then["spec"], now)
            elif kind == "gatewayRoute" and target_service(then["spec"]) != target_service(now["spec"]):
                if f"virtualService/{target_service(then['spec'])}" in self.now:
                    self.resources[path] = then
            elif kind == "virtualService" and then["spec"].get("provider") not in ({}, None):
                self._hold_provider(path, then, now)
            elif kind == "virtualNode":
                self._hold_node(path, then["spec"], now)

    def _withhold(self, path: str) -> None:
        """A new route waits behind those that were there, and those stay; the first has nothing behind it."""
        parent = path.rsplit("/", 2)[0]
        others = self.before.children.get(parent, ())
        if others and parent in self.now:
            self.resources.pop(path, None)
            for other in others:
                self.resources.setdefault(other, self.then[other])

    def _hold_targets(self, path: str, then: Mapping[str, Any], now: Document) -> None:
        """New targets get no weight; when all the weight is on new ones, the old ones carry it until then."""
        spec = now["spec"]
        member, old = _member(spec), _targets(then)
        known = {target["virtualNode"] for target in old}
        targets = _targets(spec)
        new = {target["virtualNode"] for target in targets} - known
        if not new:
            return
        self.fresh |= {(path, node) for node in new}
        if not any(target["weight"] for target in targets if target["virtualNode"] in known):
            both = [*old, *(target for target in targets if target["virtualNode"] in new)]
            route = {**spec[member], "action": {**spec[member]["action"], "weightedTargets": both}}
            self.resources[path] = {**now, "spec": {**spec, member: route}}

    def _hold_provider(self, path: str, then: Document, now: Document) -> None:
        """A virtual service stays with what provided it, router and routes included."""
        if then["spec"]["provider"] == now["spec"].get("provider"):
            return
        (provider,) = references("virtualService", then["spec"])
        for restored in (provider, *self.before.children.get(provider, ())):
            if restored in self.then:
                self.resources.setdefault(restored, self.then[restored])
        self.resources[path] = then

    def _hold_node(self, path: str, then: Mapping[str, Any], now: Document) -> None:
        """Other ports are other clusters; a new backend is held back where its requests get through without it."""
        if mappings(then) != mappings(now["spec"]):
            self.former[path] = now
            self.own[path] = now
            self.resources[path] = self.then[path]
        if self.open:
            declared_then = {name for name, _ in declared(self.before, path, then)}
            backends = now["spec"].get("backends", [])
            held = [each for each in backends if each["virtualService"]["virtualServiceName"] in declared_then]
            document = {**now, "spec": {**now["spec"], "backends": held}}
            if path in self.own:
                self.own[path] = document
            else:
                self.resources[path] = document


def _put(documents: dict[str, Document], path: str, document: Document | None) -> None:
    if document is None:
        documents.pop(path, None)
    else:
        documents[path] = document


def _member(spec: Mapping[str, Any]) -> str:
    return next(member for member in ROUTE_PROTOCOLS if member in spec)


def _targets(spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    targets: list[Mapping[str, Any]] = spec[_member(spec)]["action"]["weightedTargets"]
    return targets


def _nodes(view: MeshView, path: str) -> Iterator[str]:
    """The paths of the virtual nodes that a resource leads to; a virtual node leads to itself and its backends'."""
    spec, kind = view.find_spec(path), path.split("/")[-2]
    if spec is None:
        return
    if kind == "virtualNode":
        yield path
    elif kind == "virtualRouter":
        for route in view.children.get(path, ()):
            yield from _nodes(view, route)
    elif kind in ("route", "virtualService", "gatewayRoute"):
        for named in references(kind, spec):
            yield from _nodes(view, named)
