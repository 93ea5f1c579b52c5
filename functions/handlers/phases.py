"""Telling the bus what phase a rollout is in: one event each, beside the one for its outcome."""

from collections.abc import Mapping
from typing import Any

from domain.outcome import phase_of
from gateways import announcements
from observability import logger


def tell_phase(event: Mapping[str, Any], phase: str, reason: str, weights: Mapping[str, int]) -> None:
    """Put an event of a phase on the bus; one that cannot be told is logged, and stops no rollout.

    `event` is the execution's document, `weights` are those of the plan's first route.
    """
    detail = phase_of(event, phase, reason, weights)
    try:
        announcements.put_event("Rollout State Change", [event["service"]], detail)
    except Exception:  # noqa: BLE001 - logged; traffic must not depend on who listens
        logger.exception("The phase could not be told", phase=phase)
