"""What the stack's parameters say of a service's sidecar, and who hosts its mesh: for all who compare or inject one."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from domain.sidecar import SidecarSettings
from gateways.mesh import card_of
from settings import Settings


def sidecar_settings(subject: Mapping[str, Any], settings: Settings) -> SidecarSettings:
    """Say what a subject's sidecar is; it gets its configuration from whoever hosts the mesh.

    Raises NotFound when that is another account, which does not share it (any more).
    """
    if not settings.hosted or subject["meshOwner"] is None:
        return settings.sidecar
    discovery = card_of(subject, settings).discovery
    return replace(settings.sidecar, discovery_endpoint=discovery.url, signing_name=discovery.signing_name)


def discover_function(subject: Mapping[str, Any], settings: Settings) -> str:
    """Return the ARN of the function that serves a subject's discovery; empty when only its endpoint is known.

    Raises NotFound as `sidecar_settings` does.
    """
    if settings.hosted and subject["meshOwner"] is not None:
        return card_of(subject, settings).discovery.function
    return settings.discover_function_arn if settings.sidecar.signing_name == "lambda" else ""
