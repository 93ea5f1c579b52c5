"""The meshes as one warm container of `discover` knows them: whole, at one change counter, with what was made of them.

A poll of an unchanged mesh reads its change counter and nothing else. What is kept is bounded by its size.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from domain.discovery.answers import Answer, answer_of_texts, texts_of
from domain.discovery.configuration import Configuration, Fault, cloud_map_queries, configuration
from domain.discovery.ordering import Ordered, ordered, recent_of, settle_seconds
from domain.discovery.poll import KINDS, Poll
from domain.discovery.view import Document, MeshView
from domain.hosted.errors import ApiError
from domain.hosted.kinds import MeshKey
from domain.hosted.state import Write
from gateways.cloud_map import CloudMap, Instances
from gateways.mesh_store import MeshStore, Snapshot
from observability import logger, metrics

MOST_MESHES = 20
MOST_BYTES = 64_000_000
MOST_ANSWERS = 50
MOST_EARLIER = 10
"""How many versions of a resource are tried until one can be translated."""


@dataclass
class Proxy:
    """What one Envoy's configuration was made of, and what was made: texts by kind and name, answers by what is asked."""

    ordered: Ordered
    instances: Instances
    texts: dict[str, dict[str, str]]
    faults: tuple[Fault, ...]
    answers: dict[tuple[str, tuple[str, ...]], Answer] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Characters, with those of the answers to come."""
        return 2 * sum(len(text) for texts in self.texts.values() for text in texts.values())

    def answer(self, kind: str, names: tuple[str, ...]) -> Answer:
        """Answer for all resources of a kind or those with these names; nothing at all is a refusal, never an answer.

        An Envoy with an empty configuration would be LIVE and serve nobody.
        """
        known = self.answers.get((kind, names))
        if known is None:
            texts = self.texts[kind]
            found = [texts[name] for name in sorted(names or texts) if name in texts]
            if not found:
                raise ApiError("ServiceUnavailableException", f"there are no {kind} yet{self._why(names)}")
            if len(self.answers) >= MOST_ANSWERS:
                self.answers.clear()
            known = self.answers[kind, names] = answer_of_texts(kind, found)
        return known

    def _why(self, names: tuple[str, ...]) -> str:
        reasons = "; ".join(f"{fault.path}: {fault.message}" for fault in self.faults)
        return f" of those names: {', '.join(names)[:200]}" if names else f" ({reasons[:500]})" if reasons else ""


class KnownMeshes:
    """All meshes that this container was asked for lately."""

    def __init__(self, store: MeshStore, cloud_map: CloudMap, account: str) -> None:
        """Begin with none; `account` is the one whose Cloud Map can be asked."""
        self.store, self.cloud_map, self.account = store, cloud_map, account
        self._meshes: OrderedDict[MeshKey, KnownMesh] = OrderedDict()

    def current(self, key: MeshKey) -> "KnownMesh | None":
        """The mesh as it is now, None if there is none: one small read when it has not changed."""
        changes = self.store.changes(key)
        known = self._meshes.get(key)
        if known is None or known.snapshot.changes != changes:
            self._meshes.pop(key, None)
            snapshot = self.store.snapshot(key) if changes is not None else None
            if snapshot is None:
                return None
            known = self._meshes[key] = KnownMesh(key, snapshot, self)
            if len(self._meshes) > MOST_MESHES:
                self._meshes.popitem(last=False)
        self._meshes.move_to_end(key)
        return known


class KnownMesh:
    """One mesh at one change counter."""

    def __init__(self, key: MeshKey, snapshot: Snapshot, shared: KnownMeshes) -> None:
        """Take over a snapshot."""
        self.key, self.snapshot, self.shared = key, snapshot, shared
        documents = {path: record.document for path, record in snapshot.resources.items()}
        self.view = MeshView(key.name, key.owner, snapshot.mesh.document["spec"], documents)
        self._proxies: OrderedDict[tuple[str, str, int], Proxy] = OrderedDict()
        self._size = 0
        self._ordered: dict[int, Ordered] = {}
        self._history: tuple[float, list[Write]] | None = None
        self._earlier: dict[str, Iterator[Document]] = {}
        self._told: set[Fault] = set()

    def answer(self, poll: Poll, region: str, now: float) -> Answer:
        """Answer a poll at a time (seconds since the epoch), from what is known if that still holds."""
        order = self._order(poll.poll_seconds, now)
        instances = self._instances(order, poll)
        key = (poll.path, poll.interception, poll.poll_seconds)
        proxy = self._proxies.get(key)
        if proxy is None or proxy.ordered is not order or proxy.instances != instances:
            proxy = self._translated(poll, region, now, instances)
            self._keep(key, proxy)
        return proxy.answer(poll.kind, poll.names)

    def _order(self, poll_seconds: int, now: float) -> Ordered:
        """The mesh as an Envoy that polls this often may be told of it."""
        found = self._ordered.get(poll_seconds)
        if found is None or (found.until is not None and found.until <= now):
            settle = settle_seconds(poll_seconds)
            found = self._ordered[poll_seconds] = ordered(self.view, self._writes(now - settle), now, settle)
        return found

    def _writes(self, since: float) -> list[Write]:
        if self._history is None or since < self._history[0]:
            writes = self.shared.store.writes(self.key, self.snapshot.changes)
            self._history = since, recent_of(writes, since)
        return self._history[1]

    def _instances(self, order: Ordered, poll: Poll) -> Instances:
        """The instances that a proxy needs; those of other accounts cannot be asked for."""
        if self.key.owner != self.shared.account:
            return {}
        queries = cloud_map_queries(order.view_of(poll.path), poll.path, order.moved)
        return self.shared.cloud_map.instances(queries, poll.poll_seconds) if queries else {}

    def _translated(self, poll: Poll, region: str, now: float, instances: Instances) -> Proxy:
        """Translate; of a resource that cannot be translated, the last version that can takes its place."""
        options, all_faults = poll.options(region), set[Fault]()
        while True:
            order = self._order(poll.poll_seconds, now)
            found = configuration(order.view_of(poll.path), poll.path, options, instances, order.moved)
            all_faults.update(found.faults)
            if not self._mend(found):
                break
        self._tell(all_faults)
        texts = {kind: texts_of(found, kind) for kind in KINDS}
        return Proxy(order, instances, texts, tuple(sorted(all_faults)))

    def _mend(self, found: Configuration) -> bool:
        """Put earlier versions in the place of what has faults; False when nothing is left to try."""
        mended = {}
        for path in sorted({fault.path for fault in found.faults} & self.view.resources.keys()):
            earlier = self._earlier.get(path)
            if earlier is None:
                earlier = self._earlier[path] = self._versions(path)
            document = next(earlier, None)
            if document is not None:
                mended[path] = document
        if mended:
            self.view = replace(self.view, resources={**self.view.resources, **mended})
            self._ordered.clear()
            self._proxies.clear()
            self._size = 0
        return bool(mended)

    def _versions(self, path: str) -> Iterator[Document]:
        """The earlier versions of a resource, newest first; at the end, once more the present one."""
        present = self.view.resources[path]
        tried = 0
        for write in self.shared.store.writes(self.key, self.snapshot.changes, path):
            if write.before is None or tried == MOST_EARLIER:
                break
            if write.before["spec"] != present["spec"]:
                tried += 1
                yield write.before
        if tried:
            yield present

    def _tell(self, faults: set[Fault]) -> None:
        """Make new faults visible: a log line and a metric each."""
        for fault in sorted(faults - self._told):
            served = self.view.resources.get(fault.path)
            whole = self.snapshot.resources.get(fault.path)
            earlier = served is not None and whole is not None and served is not whole.document
            logger.warning(
                "fault",
                mesh=self.key.name,
                mesh_owner=self.key.owner,
                path=fault.path,
                reason=fault.message,
                served=f"version {served['metadata']['version']}" if earlier and served else "nothing",
            )
            metrics.add_metric("DiscoveryFaults", "Count", 1)
        self._told |= faults

    def _keep(self, key: tuple[str, str, int], proxy: Proxy) -> None:
        before = self._proxies.pop(key, None)
        self._size += proxy.size - (before.size if before else 0)
        self._proxies[key] = proxy
        while self._size > MOST_BYTES and len(self._proxies) > 1:
            _, oldest = self._proxies.popitem(last=False)
            self._size -= oldest.size
