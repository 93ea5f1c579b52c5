"""What other accounts share with this one is used: cards are read, VPCs associated, services that waited set free.

A share that came without an invitation, as inside an organization, is judged as an invitation is; one that a person
accepted through `operate` is used as he wished. Part of accept_shares.
"""

from functools import cache
from typing import Any

from domain.errors import NotFound
from domain.sharing import MISSING, REFUSED, UNPROVEN, UNREADABLE, judge_received, meshes_in, networks_in, sender_of
from gateways import organizations, ram
from gateways.remembered import Remembered
from gateways.shared import MESHES, NETWORKS, Shared
from handlers.refused_shares import USED, refuse
from handlers.shared_meshes import lose_mesh, use_mesh
from handlers.shared_networks import lose_network, use_network
from handlers.sweep import sweep
from settings import Settings

Document = dict[str, Any]
_LOSE = {MESHES: lose_mesh, NETWORKS: lose_network}


def use_shares(event: Document, settings: Settings, accepted: set[str]) -> Document:
    """Look at all shares; `accepted` are those (ARNs) that were accepted just now and must be there.

    What cannot be seen yet comes again with the batch. What is not shared any more is forgotten.
    """
    received, shared = ram.list_received(), Shared(settings.rollout_table)
    known = {kind: shared.known(kind) for kind in _LOSE}
    internal = cache(ram.list_internal_shares)
    held: dict[str, set[str]] = {}
    lost: dict[str, str] = {}

    def use(share: Document) -> None:
        arn, resources = share["share"], share["resources"]
        if not resources:
            raise NotFound(f"share {arn} was accepted, and nothing of it is there yet")
        meshes, networks = meshes_in(resources, sender_of(arn)), networks_in(resources, sender_of(arn))
        # Whatever fails from here on, nothing of it is missing.
        held[arn] = {mesh.id for mesh in meshes} | set(networks)
        reason, why = _refusal(arn, resources, settings, internal) if held[arn] else ("", "")
        if reason:
            names = held.pop(arn)
            lost.update(dict.fromkeys(names, why))
            if why == REFUSED or not any(names & each.keys() for each in known.values()):
                refuse(arn, "a mesh" if meshes else "a service network", reason, settings)
            return
        for mesh in meshes:
            if not use_mesh(mesh, arn in accepted, settings):
                held[arn].discard(mesh.id)
                lost[mesh.id] = UNREADABLE
        for network in networks:
            use_network(network, settings)

    shares = [{"share": arn, "resources": received.get(arn, [])} for arn in sorted(received.keys() | accepted)]
    used = sweep(event, shares, use, "share")
    present = set().union(*held.values())

    def settle(each: Document) -> None:
        kind, name = each["kind"], each["name"]
        missed = known[kind][name]
        if name not in present:
            _LOSE[kind](name, missed, lost.get(name, MISSING), settings)
        elif missed:
            shared.find_again(kind, name)

    settled = sweep(event, [{"kind": kind, "name": name} for kind in known for name in known[kind]], settle, "name")
    return used if used["batchItemFailures"] else settled


def _refusal(arn: str, resources: list[Document], settings: Settings, internal: Any) -> tuple[str, str]:
    """Say why a share is not used, and how sure that is; the first is empty when it is used."""
    trust, known, sender = settings.trust, Remembered(settings.rollout_table).share(arn), sender_of(arn)
    if known and known[0] == USED:
        return "", ""
    organization, asked = None, trust.organization is not None and not trust.knows(sender)
    if asked:
        inside = arn in internal()
        organization = organizations.own_organization() if inside else organizations.organization_of(sender)
    verdict = judge_received(arn, resources, trust, organization)
    return "" if verdict.accept else verdict.reason, UNPROVEN if asked and organization is None else REFUSED
