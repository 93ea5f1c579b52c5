"""The sidecar: from a task definition and what is wanted beside it to a new one, to nothing to do, or to a refusal.

`inject` adds, upgrades and repairs; `remove` gives back what was there before. Both are pure, and each is the other's
inverse: removing what was injected gives an equal task definition.
"""

from domain.enrolment import PREFIX
from domain.sidecar.images import UPSTREAM_IMAGE, choose_image, envoy_image
from domain.sidecar.injection import DESCRIBED_ONLY, Injection, inject, is_injected, register_input
from domain.sidecar.removal import remove
from domain.sidecar.wanted import ENVOY, INTERCEPTIONS, PROXY, TRANSPARENT, Sidecar, listener_ports

INJECTED_FROM = PREFIX + "injected-from"
"""Tag on the revisions that Meshift registered: the ARN of the one that it started from."""
INJECTED_BY = PREFIX + "injected-by"
"""Tag on the same: the execution that registered it."""
INJECTED_AS = PREFIX + "injected-as"
"""Tag on the same: `Injection.digest`, what it was registered as."""

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
    "choose_image",
    "envoy_image",
    "inject",
    "is_injected",
    "listener_ports",
    "register_input",
    "remove",
]
