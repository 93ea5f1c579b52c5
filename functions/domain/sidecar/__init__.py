"""The sidecar: from a task definition and what is wanted beside it to a new one, to nothing to do, or to a refusal.

`inject` adds, upgrades and repairs; `remove` gives back what was there before. Both are pure, and each is the other's
inverse: removing what was injected gives an equal task definition.
"""

from domain.sidecar.images import UPSTREAM_IMAGE, choose_image, envoy_image
from domain.sidecar.injection import (
    DESCRIBED_ONLY,
    Injection,
    application_of,
    comparable,
    has_wanted_sidecar,
    inject,
    is_injected,
    refuse_uninjectable,
    register_input,
)
from domain.sidecar.removal import remove
from domain.sidecar.settings import SidecarSettings, sidecar_for
from domain.sidecar.tags import INJECTED_AS, INJECTED_BY, INJECTED_FROM, revision_tags, unmarked
from domain.sidecar.wanted import ENVOY, INTERCEPTIONS, PROXY, TRANSPARENT, Sidecar, listener_ports

__all__ = [
    "DESCRIBED_ONLY",
    "ENVOY",
    "INJECTED_AS",
    "INJECTED_BY",
    "INJECTED_FROM",
    "INTERCEPTIONS",
    "PROXY",
    "TRANSPARENT",
    "UPSTREAM_IMAGE",
    "Injection",
    "Sidecar",
    "SidecarSettings",
    "application_of",
    "choose_image",
    "comparable",
    "envoy_image",
    "has_wanted_sidecar",
    "inject",
    "is_injected",
    "listener_ports",
    "refuse_uninjectable",
    "register_input",
    "remove",
    "revision_tags",
    "sidecar_for",
    "unmarked",
]
