"""What an operation has to see of a mesh, what it saw, and what it changes. The table is the gateway's business.

Every write to a mesh raises that mesh's change counter, on condition that it still is what was read. So all writes
to one mesh happen one after the other, and what a decision saw is still true when it takes effect.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.hosted.kinds import MeshKey

Document = dict[str, Any]


@dataclass(frozen=True)
class Record:
    """A resource as it is kept: its document (as `Describe*` answers), its tags, and for a mesh who it is shared with.

    `access`: `accounts` (list), `organization` (id), `organizationalUnits` (id → accounts), `policy` (document).
    """

    document: Document
    tags: Mapping[str, str] = field(default_factory=dict)
    access: Mapping[str, Any] = field(default_factory=dict)

    @property
    def metadata(self) -> Document:
        found: Document = self.document["metadata"]
        return found


@dataclass(frozen=True)
class UsedToken:
    """A clientToken that was used before: for which request, and what was answered."""

    fingerprint: str
    answer: Document


@dataclass(frozen=True)
class Needs:
    """What to read of a mesh: records by path, listings by collection, referrers by path, a clientToken.

    `meshes`: also how many meshes the owner has.
    """

    mesh: MeshKey
    records: tuple[str, ...] = ()
    listings: tuple[str, ...] = ()
    referrers: tuple[str, ...] = ()
    token: str | None = None
    meshes: bool = False


@dataclass(frozen=True)
class State:
    """What was read. What does not exist is absent; `changes` is the mesh's change counter, None without a mesh.

    A listing maps names to what a `List*` answer shows of them, and for routes to what they `expect` of a listener.
    Referrers: path → path of what refers to it → the ports that it names, None for "no port named".
    """

    changes: int | None = None
    records: Mapping[str, Record] = field(default_factory=dict)
    listings: Mapping[str, Mapping[str, Document]] = field(default_factory=dict)
    referrers: Mapping[str, Mapping[str, tuple[int | None, ...]]] = field(default_factory=dict)
    token: UsedToken | None = None
    meshes: int = 0

    @property
    def mesh(self) -> Record | None:
        return self.records.get("")


@dataclass(frozen=True)
class Change:
    """What a write does, all of it or nothing.

    `entries`: collection → name → entry of the listing, None to take it out. `opened` and `closed`: collections that
    begin and cease to exist. `refers`: path of what the resource refers to → the ports that it names, None when it does
    so no more. `meshes`: by how much the owner's number of meshes changes.
    """

    mesh: MeshKey
    operation: str
    path: str
    puts: Mapping[str, Record] = field(default_factory=dict)
    deletes: tuple[str, ...] = ()
    entries: Mapping[str, Mapping[str, Document | None]] = field(default_factory=dict)
    opened: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    refers: Mapping[str, tuple[int | None, ...] | None] = field(default_factory=dict)
    token: str | None = None
    fingerprint: str = ""
    meshes: int = 0


@dataclass(frozen=True)
class Write:
    """A write out of a mesh's history: when (seconds since the epoch), where, and the document before and after, None
    for "there was none".
    """

    at: float
    path: str
    before: Document | None
    after: Document | None


@dataclass(frozen=True)
class Answer:
    """What the client gets: the body, and the version of the resource in it."""

    body: Document
    version: int | None = None


@dataclass(frozen=True)
class Outcome:
    """The end of a write: the answer, and the change that makes it true; None when it was true already."""

    answer: Answer
    change: Change | None = None
