"""A paused rollout waits for its task token: what wakes it."""

from collections.abc import Mapping
from typing import Any

from domain.operations import PAUSE
from gateways import executions


def wake_paused(claim: Mapping[str, Any] | None, newer: Mapping[str, Any]) -> None:
    """Wake the paused rollout of an older deployment of the same service: it sees at once that it was superseded.

    `newer` has `service` and `deployment`.
    """
    older = (claim or {}).get("document") or {}
    if claim is None or older.get("service") != newer["service"] or older["deployment"] == newer["deployment"]:
        return
    if claim["token"] and claim["signal"] and claim["signal"].name == PAUSE:
        executions.wake(claim["token"])
