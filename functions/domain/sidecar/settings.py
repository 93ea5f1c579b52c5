"""From what a stack's parameters say of every sidecar to the sidecar of one virtual node."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.bootstrap import bootstrap
from domain.errors import InvalidSetting
from domain.sidecar.images import choose_image
from domain.sidecar.wanted import INTERCEPTIONS, Sidecar, listener_ports


@dataclass(frozen=True)
class SidecarSettings:
    """The stack's parameters, as far as they say what a sidecar is."""

    region: str
    hosted: bool
    envoy_image: str | None
    interception: str
    metrics: bool
    tracing: bool
    discovery_endpoint: str | None
    discovery_poll_seconds: int
    signing_name: str
    compress_polls: bool


def sidecar_for(virtual_node: Mapping[str, Any], settings: SidecarSettings) -> Sidecar:
    """Say which sidecar a virtual node wants; `virtual_node` as DescribeVirtualNode gives it.

    Raises InvalidSetting, naming the stack's parameter.
    """
    arn, text = virtual_node["metadata"]["arn"], None
    if settings.interception not in INTERCEPTIONS:
        raise InvalidSetting(f"Interception: {settings.interception!r} is not one of {', '.join(INTERCEPTIONS)}")
    if settings.hosted:
        if settings.discovery_endpoint is None:
            raise InvalidSetting(
                "no discovery URL is known, so an Envoy would have nowhere to get its configuration from"
            )
        text = bootstrap(
            arn,
            settings.discovery_endpoint,
            settings.signing_name,
            settings.region,
            settings.discovery_poll_seconds,
            settings.interception,
            compress=settings.compress_polls,
            tracing=settings.tracing,
        )
    return Sidecar(
        image=choose_image(settings.envoy_image, settings.region, settings.hosted),
        resource_arn=arn,
        app_ports=listener_ports(virtual_node),
        bootstrap=text,
        interception=settings.interception,
        metrics=settings.metrics,
        tracing=settings.tracing,
    )
