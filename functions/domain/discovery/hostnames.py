"""IP versions: what a mesh or a node prefers, and what that means for resolving, binding and reaching the application.

Source of what holds without a preference: AWS CDK's reference of aws_appmesh.MeshServiceDiscovery: listeners bind
IPv4, the application is reached by IPv4, DNS prefers IPv6, Cloud Map prefers IPv4.
"""

from collections.abc import Mapping
from typing import Any

from domain.discovery.view import MeshView

LOOKUP_FAMILIES = {
    "IPv4_ONLY": "V4_ONLY",
    "IPv6_ONLY": "V6_ONLY",
    "IPv4_PREFERRED": "V4_PREFERRED",
    "IPv6_PREFERRED": "AUTO",
}


def ip_preference(view: MeshView, spec: Mapping[str, Any]) -> str | None:
    """What a node prefers: its own preference, else its mesh's, else None."""
    discovery = spec.get("serviceDiscovery", {})
    own: str | None = next((found["ipPreference"] for found in discovery.values() if "ipPreference" in found), None)
    mesh: str | None = view.spec.get("serviceDiscovery", {}).get("ipPreference")
    return own or mesh


def lookup_family(preference: str | None) -> str:
    return LOOKUP_FAMILIES.get(preference or "IPv6_PREFERRED", "AUTO")


def bound_address(preference: str | None) -> str:
    """Where listeners bind: on IPv6 (and IPv4 with it) as soon as somebody prefers it."""
    return "::" if preference and preference.startswith("IPv6") else "0.0.0.0"  # noqa: S104


def loopback(preference: str | None) -> str:
    """Where the application beside Envoy listens."""
    return "::1" if preference and preference.startswith("IPv6") else "127.0.0.1"
