"""Endpoints out of Cloud Map's instances."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address

from domain.discovery.terms import Instance
from domain.discovery.xds import Resource, endpoint


def matching(instances: Sequence[Instance], attributes: Mapping[str, str]) -> list[Instance]:
    """Keep the instances that carry all of these attributes."""
    return [each for each in instances if attributes.items() <= each.attributes.items()]


def cloud_map_endpoints(
    instances: Sequence[Instance], port: int, preference: str | None
) -> tuple[list[Resource], bool]:
    """Write the endpoints, in order, and whether one of them is a name that has to be resolved.

    Unhealthy instances are left out unless all are: then they are as good as any (Cloud Map's HEALTHY_OR_ELSE_ALL).
    """
    chosen = [each for each in instances if each.healthy] or list(instances)
    found = {
        (address, each.port or port) for each in chosen for address in [preferred_address(each, preference)] if address
    }
    return [endpoint(*each) for each in sorted(found)], not all(is_ip(address) for address, _ in found)


def preferred_address(instance: Instance, preference: str | None) -> str | None:
    """The address of an instance in the IP version that is preferred, or None when only the other is allowed.

    >>> both = Instance("10.0.0.1", 80, True, {"AWS_INSTANCE_IPV4": "10.0.0.1", "AWS_INSTANCE_IPV6": "fd00::1"})
    >>> preferred_address(both, None), preferred_address(both, "IPv6_PREFERRED")
    ('10.0.0.1', 'fd00::1')
    """
    four, six = instance.attributes.get("AWS_INSTANCE_IPV4"), instance.attributes.get("AWS_INSTANCE_IPV6")
    if not four and not six:
        return instance.address
    if preference == "IPv4_ONLY":
        return four
    if preference == "IPv6_ONLY":
        return six
    return six or four if preference == "IPv6_PREFERRED" else four or six


def is_ip(text: str) -> bool:
    """Say whether this is an IP address, which needs no resolving."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
