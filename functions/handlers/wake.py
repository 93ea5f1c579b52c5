"""A paused rollout waits for its task token: what wakes it."""

from collections.abc import Mapping
from typing import Any

from domain.operations import PAUSE
from gateways import executions


def wake_paused(claim: Mapping[str, Any] | None, service: str) -> None:
    """Wake the paused rollout of a service, which looks at once whether it is still the service's newest deployment."""
    if claim is None or claim["document"] is None or claim["document"]["service"] != service:
        return
    if claim["token"] and claim["signal"] and claim["signal"].name == PAUSE:
        executions.wake(claim["token"])
