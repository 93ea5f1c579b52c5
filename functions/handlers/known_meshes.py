"""The meshes as one warm container of `discover` knows them: whole, at one change counter, with what was made of them.

A poll of an unchanged mesh reads its change counter and nothing else. What is kept is bounded by its size.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from domain.discovery.answers import Answer, answer_of, texts_of
from domain.discovery.configuration import cloud_map_queries, configuration
from domain.discovery.ordering import Ordered, ordered, recent_of, settle_seconds
from domain.discovery.poll import KINDS, Poll
from domain.discovery.terms import CloudMapQuery, Configuration, Fault, Instances, Options
from domain.discovery.view import Document, MeshView
from domain.hosted.errors import ApiError
from domain.hosted.kinds import MeshKey
from domain.hosted.state import Write
from gateways.cloud_map import CloudMap
from gateways.mesh_store import MeshStore, Snapshot
from observability import logger, metrics

MOST_MESHES = 20
MOST_BYTES = 64_000_000
MOST_ANSWERS = 50
MOST_EARLIER = 10
"""How many versions of a resource are tried until one can be translated."""
ProxyKey = tuple[MeshKey, str, Options]


@dataclass
class Proxy:
    """One Envoy's configuration, written: what it was made of, texts by kind and name, answers by what was asked."""

    ordered: Ordered
    queries: tuple[CloudMapQuery, ...]
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
            found = [texts[name] for name in sorted(set(names) or texts) if name in texts]
            if not found:
                raise ApiError("ServiceUnavailableException", f"there are no {kind}{self._why(names)}")
            if len(self.answers) >= MOST_ANSWERS:
                self.answers.clear()
            known = self.answers[kind, names] = answer_of(kind, found)
        return known

    def _why(self, names: tuple[str, ...]) -> str:
        reasons = "; ".join(f"{fault.path}: {fault.message}" for fault in self.faults)
        return (f" named {', '.join(names)}"[:200] if names else "") + (f": {reasons}"[:500] if reasons else "")


class KnownMeshes:
    """All that this container was asked for lately."""

    def __init__(self, store: MeshStore, cloud_map: CloudMap, account: str) -> None:
        """Begin with nothing known; `account` is the one whose Cloud Map can be asked."""
        self.store, self.cloud_map, self.account = store, cloud_map, account
        self._meshes: OrderedDict[MeshKey, KnownMesh] = OrderedDict()
        self._proxies: OrderedDict[ProxyKey, Proxy] = OrderedDict()
        self._bytes = 0

    def current(self, key: MeshKey) -> "KnownMesh | None":
        """The mesh as it is now, None if there is none: one small read when it has not changed."""
        changes = self.store.changes(key)
        known = self._meshes.get(key)
        if known is None or known.snapshot.changes != changes:
            self.forget(key)
            self._meshes.pop(key, None)
            snapshot = self._read(key, known, changes)
            if snapshot is None:
                return None
            known = self._meshes[key] = KnownMesh(key, snapshot, self)
            if len(self._meshes) > MOST_MESHES:
                self.forget(self._meshes.popitem(last=False)[0])
        self._meshes.move_to_end(key)
        return known

    def _read(self, key: MeshKey, known: "KnownMesh | None", changes: int | None) -> Snapshot | None:
        """Read what was written since, or the whole mesh."""
        if changes is None:
            return None
        newer = self.store.newer(key, known.snapshot, changes) if known else None
        return newer or self.store.snapshot(key)

    def proxy(self, key: ProxyKey) -> Proxy | None:
        """What was made for an Envoy, if it is still kept."""
        found = self._proxies.get(key)
        if found is not None:
            self._proxies.move_to_end(key)
        return found

    def keep(self, key: ProxyKey, proxy: Proxy) -> None:
        """Keep what was made; what was asked for least lately makes room."""
        self._drop(key)
        self._proxies[key] = proxy
        self._bytes += proxy.size
        while self._bytes > MOST_BYTES and len(self._proxies) > 1:
            self._drop(next(iter(self._proxies)))

    def forget(self, mesh: MeshKey) -> None:
        """Drop all that was made of a mesh."""
        for key in [key for key in self._proxies if key[0] == mesh]:
            self._drop(key)

    def _drop(self, key: ProxyKey) -> None:
        found = self._proxies.pop(key, None)
        self._bytes -= found.size if found else 0


class KnownMesh:
    """One mesh at one change counter."""

    def __init__(self, key: MeshKey, snapshot: Snapshot, shared: KnownMeshes) -> None:
        """Take over a snapshot."""
        self.key, self.snapshot, self.shared = key, snapshot, shared
        documents = {path: record.document for path, record in snapshot.resources.items()}
        self.view = MeshView(key.name, key.owner, snapshot.mesh.document["spec"], documents)
        self._ordered: dict[int, Ordered] = {}
        self._history: tuple[float, list[Write]] | None = None
        self._earlier: dict[str, Iterator[Document]] = {}
        self._told: set[str] = set()

    def answer(self, poll: Poll, now: float) -> Answer:
        """Answer a poll at a time (seconds since the epoch), from what is known if that still holds."""
        key = (self.key, poll.path, poll.options)
        proxy = self.shared.proxy(key)
        if (
            proxy is None
            or proxy.ordered is not self._order(poll, now)
            or proxy.instances != self._instances(proxy.queries, poll)
        ):
            proxy = self._made(poll, now)
            self.shared.keep(key, proxy)
        return proxy.answer(poll.kind, poll.names)

    def _order(self, poll: Poll, now: float) -> Ordered:
        """The mesh as an Envoy that polls this often may be told of it."""
        found = self._ordered.get(poll.options.poll_seconds)
        if found is None or (found.until is not None and found.until <= now):
            settle = settle_seconds(poll.options.poll_seconds)
            found = ordered(self.view, self._writes(now - settle), now, settle)
            self._ordered[poll.options.poll_seconds] = found
        return found

    def _writes(self, since: float) -> list[Write]:
        if self._history is None or since < self._history[0]:
            writes = self.shared.store.writes(self.key, self.snapshot.changes)
            self._history = since, recent_of(writes, since)
        return self._history[1]

    def _instances(self, queries: tuple[CloudMapQuery, ...], poll: Poll) -> Instances:
        return self.shared.cloud_map.instances(queries, poll.options.poll_seconds) if queries else {}

    def _made(self, poll: Poll, now: float) -> Proxy:
        """Translate; of a resource that cannot be translated, the last version that can takes its place."""
        faults: dict[str, Fault] = {}
        ours = self.key.owner == self.shared.account  # another account's Cloud Map cannot be asked
        while True:
            order = self._order(poll, now)
            view, moved = order.told(poll.path)
            asks = ours and (view.asks_cloud_map or moved.former)
            queries = cloud_map_queries(view, poll.path, moved) if asks else ()
            instances = self._instances(queries, poll)
            found = configuration(view, poll.path, poll.options, instances, moved)
            for fault in found.faults:
                faults.setdefault(fault.path, fault)
            if not self._mended(found):
                break
        self._tell(faults)
        texts = {kind: texts_of(found, kind) for kind in KINDS}
        return Proxy(order, queries, instances, texts, tuple(faults.values()))

    def _mended(self, found: Configuration) -> bool:
        """Put earlier versions in the place of what has faults; False when nothing is left to try."""
        documents = {}
        for path in sorted({fault.path for fault in found.faults} & self.view.resources.keys()):
            if path not in self._earlier:
                self._earlier[path] = self._versions(path)
            document = next(self._earlier[path], None)
            if document is not None:
                documents[path] = document
        if documents:
            self.view = replace(self.view, resources={**self.view.resources, **documents})
            self._ordered.clear()
            self.shared.forget(self.key)
        return bool(documents)

    def _versions(self, path: str) -> Iterator[Document]:
        """The earlier versions of a resource, newest first; when none of them will do, the present one again."""
        present, tried = self.view.resources[path], 0
        for write in self.shared.store.writes(self.key, self.snapshot.changes, path):
            if write.before is None or tried == MOST_EARLIER:
                break
            if write.before["spec"] != present["spec"]:
                tried += 1
                yield write.before
        if tried:
            yield present

    def _tell(self, faults: dict[str, Fault]) -> None:
        """Make new faults visible, a log line and a metric each."""
        new = {path: fault for path, fault in faults.items() if path not in self._told}
        for path, fault in sorted(new.items()):
            kept = self.view.resources.get(path)
            record = self.snapshot.resources.get(path)
            earlier = kept is not None and record is not None and kept is not record.document
            served = f"version {kept['metadata']['version']}" if kept and earlier else "nothing"
            logger.warning(
                "fault", mesh=self.key.name, mesh_owner=self.key.owner, path=path, reason=fault.message, served=served
            )
            metrics.add_metric("DiscoveryFaults", "Count", 1)
        if new:
            metrics.flush_metrics()
        self._told |= new.keys()
