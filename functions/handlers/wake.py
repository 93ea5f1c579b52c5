"""A rollout that is paused or at a gate waits for its task token: what wakes it."""

from collections.abc import Mapping
from typing import Any

from gateways import executions


def is_older(claim: Mapping[str, Any] | None, newer: Mapping[str, Any]) -> bool:
    """Say whether a claim is another deployment's of the same service; older it is if `newer` is the present one."""
    other = (claim or {}).get("document") or {}
    return bool(other.get("service") == newer["service"] and other["deployment"] != newer["deployment"])


def wake_paused(claim: Mapping[str, Any] | None, newer: Mapping[str, Any]) -> None:
    """Wake the waiting rollout of an older deployment of the same service: it sees at once that it was superseded.

    `newer` has `service` and `deployment`.
    """
    if claim and claim["token"] and is_older(claim, newer):
        executions.wake(claim["token"])
