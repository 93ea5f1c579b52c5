"""Meshes of other accounts: their cards are read when shares are looked at, and forgotten when they are not shared."""

from datetime import UTC, datetime

from domain.errors import InvalidCard, NotFound
from domain.mesh_cards import MeshCard, check_card, shared_by_card
from domain.sharing import CARD, MISSING, REFUSED, SharedMesh, is_gone
from gateways import announcements
from gateways.mesh_cards import read_card
from gateways.remembered import Remembered
from gateways.shared import MESHES, Shared
from handlers.refused_shares import refuse
from observability import logger
from settings import Settings


def use_mesh(mesh: SharedMesh, is_new: bool, settings: Settings) -> bool:
    """Learn where a hosted mesh is found, and let services that waited for it go on; False when its card is unreadable.

    Raises NotFound when it is so and the share is new: it may take a moment.
    """
    remembered = Remembered(settings.rollout_table)
    if settings.hosted != (mesh.type == CARD):
        return True
    if settings.hosted:
        try:
            card = _read(mesh, settings).document()
        except NotFound as error:
            if is_new:
                raise
            logger.warning("A mesh card cannot be read", card=mesh.arn, reason=str(error))
            return False
        except InvalidCard as error:
            Shared(settings.rollout_table).forget(MESHES, mesh.id)
            refuse(mesh.arn, "a mesh", str(error), settings)
            return True
        if remembered.card(mesh.id) != card:
            remembered.remember_card(mesh.id, card)
            logger.info("A mesh is known", mesh=mesh.id, card=card)
    remembered.free_waiting(mesh.id)
    return True


def lose_mesh(name: str, missed: datetime | None, why: str, settings: Settings) -> None:
    """Forget a mesh (NAME@OWNER) that is not shared any more.

    RAM's lists are not always whole, and rollouts at work would end for it. So a mesh that is missing in them goes when
    its card cannot be read either, or when a second look (`missed`: since when) does not find it; one that is refused
    goes at once.
    """
    if why != REFUSED and not _is_gone(name, missed, why, settings):
        if missed is None:
            Shared(settings.rollout_table).miss(MESHES, name)
        logger.warning("A mesh may not be shared any more: looked at again", mesh=name, why=why)
        return
    Shared(settings.rollout_table).forget(MESHES, name)
    logger.warning("A mesh is not shared any more", mesh=name, why=why)
    lost = {"mesh": name, "reason": f"it is {why}; what this account made there stays, but gets no news"}
    announcements.notify(settings.topic_arn, "Meshift: a mesh is not shared any more", lost)


def _is_gone(name: str, missed: datetime | None, why: str, settings: Settings) -> bool:
    if missed and is_gone(missed, datetime.now(UTC), settings.share_sweep_minutes):
        return True
    if why != MISSING:
        return False
    try:
        _read(shared_by_card(name, settings.partition, settings.region), settings)
    except (NotFound, InvalidCard):
        return True
    return False


def _read(mesh: SharedMesh, settings: Settings) -> MeshCard:
    return check_card(read_card(mesh.arn), mesh, settings.region, settings.aws_endpoint)
