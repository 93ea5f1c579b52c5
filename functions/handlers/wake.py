"""A rollout that is paused or at a gate waits for its task token: what wakes it."""

from collections.abc import Mapping
from typing import Any

from gateways import executions


def wake_paused(claim: Mapping[str, Any] | None, newer: Mapping[str, Any]) -> None:
    """Wake the waiting rollout of an older deployment of the same service: it sees at once that it was superseded.

    `newer` has `service` and `deployment`.
    """
    older = (claim or {}).get("document") or {}
    if claim is None or older.get("service") != newer["service"] or older["deployment"] == newer["deployment"]:
        return
    if claim["token"]:
        executions.wake(claim["token"])
