"""What other accounts share with this one is used: cards are read, and services that waited for a mesh set free.

A share that came without an invitation, as inside an organization, is judged as an invitation is; one that a person
accepted through `operate` is used as he wished. Part of accept_shares.
"""

from functools import cache
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from domain.errors import InvalidCard, NotFound
from domain.mesh_cards import check_card
from domain.sharing import CARD, SharedMesh, judge_received, meshes_in, sender_of
from gateways import announcements, organizations, ram
from gateways.mesh_cards import read_card
from gateways.remembered import Remembered
from handlers.sweep import sweep
from observability import logger, metrics
from settings import Settings

Document = dict[str, Any]
USED, UNUSED = "USED", "UNUSED"


def use_shares(event: Document, settings: Settings, accepted: set[str]) -> Document:
    """Look at all shares; `accepted` are those (ARNs) that were accepted just now and must be there.

    What cannot be seen yet comes again with the batch. Cards of meshes that are shared no more are forgotten.
    """
    received, remembered = ram.list_received(), Remembered(settings.rollout_table)
    internal = cache(ram.list_internal_shares)
    shared: set[str] = set()

    def use(share: Document) -> None:
        arn, resources = share["share"], share["resources"]
        if not resources:
            raise NotFound(f"share {arn} was accepted, and nothing of it is there yet")
        if _is_used(arn, resources, settings, internal):
            for mesh in meshes_in(resources, sender_of(arn)):
                shared.add(mesh.id)
                _set_free(mesh, arn in accepted, settings)

    shares = [{"share": arn, "resources": received.get(arn, [])} for arn in sorted(received.keys() | accepted)]
    again = sweep(event, shares, use, "share")
    for mesh in set(remembered.cards()) - shared if not again["batchItemFailures"] else ():
        remembered.forget_card(mesh)
        logger.warning("A mesh is not shared any more", mesh=mesh)
        lost = {"mesh": mesh, "reason": "its share is gone; what this account made there stays, but gets no news"}
        announcements.notify(settings.topic_arn, "Meshift: a mesh is not shared any more", lost)
    return again


def _is_used(arn: str, resources: list[Document], settings: Settings, internal: Any) -> bool:
    """Decide on one share, and announce once that it holds a mesh which is not used."""
    trust, remembered = settings.trust, Remembered(settings.rollout_table)
    sender, known = sender_of(arn), remembered.share(arn)
    if not meshes_in(resources, sender):
        return False
    if known and known[0] == USED:
        return True
    organization = None
    if trust.organization is not None and not trust.knows(sender):
        inside = arn in internal()
        organization = organizations.own_organization() if inside else organizations.organization_of(sender)
    verdict = judge_received(arn, resources, trust, organization)
    if not verdict.accept:
        _refuse(arn, verdict.reason, settings)
    return verdict.accept


def _set_free(mesh: SharedMesh, is_new: bool, settings: Settings) -> None:
    """Learn where a hosted mesh is found, and let services that waited for it go on."""
    remembered = Remembered(settings.rollout_table)
    if settings.hosted != (mesh.type == CARD):
        return
    if settings.hosted:
        try:
            card = check_card(read_card(mesh.arn), mesh, settings.region, settings.aws_endpoint).document()
        except NotFound as error:
            if is_new:
                raise
            logger.warning("A mesh card cannot be read", card=mesh.arn, reason=str(error))
            return
        except InvalidCard as error:
            remembered.forget_card(mesh.id)
            _refuse(mesh.arn, str(error), settings)
            return
        if remembered.card(mesh.id) != card:
            remembered.remember_card(mesh.id, card)
            logger.info("A mesh is known", mesh=mesh.id, card=card)
    remembered.free_waiting(mesh.id)


def _refuse(arn: str, reason: str, settings: Settings) -> None:
    """Announce once for each reason that a share, or the card in it, is not used."""
    remembered = Remembered(settings.rollout_table)
    if remembered.share(arn) == (UNUSED, reason):
        return
    logger.warning(UNUSED, share=arn, reason=reason)
    metrics.add_metric("ShareRefused", MetricUnit.Count, 1)
    what = {"share": arn, "sender": sender_of(arn), "reason": reason}
    announcements.notify(settings.topic_arn, "Meshift: a mesh that is shared is not used", what)
    remembered.remember_share(arn, UNUSED, reason)
