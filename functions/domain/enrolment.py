"""Enrolment: what the tags of an ECS service ask Meshift to do.

A service without `meshift:mesh` is not enrolled and nothing is touched. A tag that makes no sense is
refused with its name, its value and what would be right.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from domain.errors import InvalidTag, Refused

PREFIX = "meshift:"
MESH = PREFIX + "mesh"
BACKENDS = PREFIX + "backends"
TAGS = tuple(
    PREFIX + name
    for name in (
        "mesh",
        "virtual-node",
        "virtual-service",
        "backends",
        "container",
        "protocol",
        "hostname",
        "policy",
        "adopt",
    )
)
PROTOCOLS = ("http", "http2", "grpc", "tcp")

_NAME = re.compile(r"[^\s/@#]{1,255}")
_POLICY = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_HOSTNAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*\.?")
_OWNER = re.compile(r"\d{12}")
_BACKENDS = re.compile(r"/meshift/backends(/[A-Za-z0-9_.-]+)+")
_YES_OR_NO = re.compile(r"true|false")


@dataclass(frozen=True)
class Enrolment:
    """The tags of one service, understood."""

    mesh: str
    mesh_owner: str | None
    """Account id, or None for the service's own account."""
    virtual_node: str
    virtual_service: str | None
    backends: tuple[str, ...]
    """Empty while they are in a parameter that was not read; see `with_backends`."""
    container: str | None
    protocol: str | None
    hostname: str | None
    policy: str
    adopt: bool = False
    """Whether a hand-made Envoy may be replaced."""
    backends_parameter: str | None = None
    """Name of the SSM parameter that lists the backends, for lists that a tag cannot hold."""


def read_tags(tags: list[dict[str, str]]) -> dict[str, str]:
    """Turn ECS's list of tags (`[{"key", "value"}]`) into a dictionary."""
    return {tag["key"]: tag.get("value", "") for tag in tags}


def mesh_id(subject: Mapping[str, Any], own_account: str | None = None) -> str:
    """Name a mesh as the tag does: NAME, or NAME@OWNER when it is another account's.

    >>> mesh_id({"mesh": "apps", "meshOwner": "111122223333"})
    'apps@111122223333'
    """
    owner = subject["meshOwner"]
    return str(subject["mesh"]) if owner in (None, own_account) else f"{subject['mesh']}@{owner}"


def router_id(subject: Mapping[str, Any]) -> tuple[str, str]:
    """Name what one rollout at a time may write: the mesh and the virtual router behind the virtual service."""
    return mesh_id(subject), str(subject["virtualRouter"])


def is_enrolled(tags: Mapping[str, str]) -> bool:
    """Say whether a service asks for Meshift at all."""
    return MESH in tags


def parse_enrolment(tags: Mapping[str, str], service_name: str) -> Enrolment:
    """Understand the `meshift:` tags of a service.

    >>> parse_enrolment({"meshift:mesh": "apps@111122223333"}, "web").mesh_owner
    '111122223333'

    Raises InvalidTag. Source of the tags: README, "Enrol a service".
    """
    for key in tags:
        if key.startswith(PREFIX) and key not in TAGS:
            nearest = difflib.get_close_matches(
                key.removeprefix(PREFIX), [tag.removeprefix(PREFIX) for tag in TAGS], n=1
            )
            hint = f"did you mean {PREFIX}{nearest[0]}?" if nearest else f"known are {', '.join(TAGS)}"
            raise InvalidTag(f"tag {key}: Meshift knows no such tag; {hint}")
    backends = tags.get(BACKENDS, "")
    listed_at = _listed_at(backends)
    mesh, at, owner = tags[MESH].partition("@")
    _require(_NAME.fullmatch(mesh) is not None, MESH, tags[MESH], "a mesh's name, or NAME@ACCOUNT")
    if at:
        _require(_OWNER.fullmatch(owner) is not None, MESH, tags[MESH], "NAME@ACCOUNT with the owner's 12 digits")
    return Enrolment(
        mesh=mesh,
        mesh_owner=owner or None,
        virtual_node=_name(tags, "virtual-node") or service_name,
        virtual_service=_name(tags, "virtual-service"),
        backends=() if listed_at else _names(BACKENDS, backends, "names of virtual services, separated by spaces"),
        container=_name(tags, "container"),
        protocol=_protocol(tags),
        hostname=_matching(tags, "hostname", _HOSTNAME, "a DNS name such as serviceb.apps.local"),
        policy=_matching(tags, "policy", _POLICY, "the name of a rollout policy: letters, digits and _ . -")
        or "default",
        adopt=_matching(tags, "adopt", _YES_OR_NO, "true or false") == "true",
        backends_parameter=listed_at,
    )


def enrolment_of(service: Mapping[str, Any]) -> Enrolment:
    """Understand the tags of a service as ECS describes it; `apps@ACCOUNT` is `apps` where ACCOUNT is its own.

    Raises InvalidTag.
    """
    enrolment = parse_enrolment(read_tags(service.get("tags", [])), service["serviceName"])
    own = service["serviceArn"].split(":")[4]
    return replace(enrolment, mesh_owner=None) if enrolment.mesh_owner == own else enrolment


def with_backends(enrolment: Enrolment, parameter: Mapping[str, Any] | None) -> Enrolment:
    """Take over the backends that an SSM parameter lists; `parameter` as GetParameter gives it, None if there is none.

    >>> enrolment = parse_enrolment({MESH: "apps", BACKENDS: "@/meshift/backends/web"}, "web")
    >>> with_backends(enrolment, {"Type": "String", "Value": "a.apps.local b.apps.local"}).backends
    ('a.apps.local', 'b.apps.local')

    Raises InvalidTag.
    """
    value = f"@{enrolment.backends_parameter}"
    right = "the name of an SSM parameter (String or StringList) that exists"
    _require(parameter is not None and parameter["Type"] != "SecureString", BACKENDS, value, right)
    listed = (parameter or {})["Value"].replace(",", " ")
    names = _names(BACKENDS, listed, f"a list of names of virtual services, separated by spaces or commas, in {value}")
    return replace(enrolment, backends=names)


def refuse_unfit(service: Mapping[str, Any]) -> None:
    """Refuse what cannot carry a sidecar, by name; `service` is an item of DescribeServices.

    Raises Refused. Source: ECS developer guide, "deployment controllers", "Service Connect".
    """
    refuse_controller(service)
    strategy = service.get("deploymentConfiguration", {}).get("strategy", "ROLLING")
    if strategy != "ROLLING":
        raise Refused(
            f"service {service['serviceName']} is deployed by the strategy {strategy}, which shifts traffic by itself; "
            "Meshift works with ROLLING"
        )
    if service.get("launchType") == "EXTERNAL":
        raise Refused(
            f"service {service['serviceName']} runs on ECS Anywhere (EXTERNAL), which has no proxy configuration"
        )
    if str(service.get("platformFamily", "")).upper().startswith("WINDOWS"):
        raise Refused(
            f"service {service['serviceName']} runs on {service['platformFamily']}; Envoy's redirection needs LINUX"
        )
    if service.get("schedulingStrategy") == "DAEMON":
        raise Refused(
            f"service {service['serviceName']} is a DAEMON service, whose tasks are as many as its instances, whatever "
            "weight they are to carry; Meshift works with REPLICA services"
        )
    for deployment in service.get("deployments", []):
        if deployment["status"] == "PRIMARY" and deployment.get("serviceConnectConfiguration", {}).get("enabled"):
            raise Refused(
                f"service {service['serviceName']} is in a Service Connect namespace, and a service cannot be "
                "in a mesh at once; turn Service Connect off first"
            )


def refuse_controller(service: Mapping[str, Any]) -> None:
    """Refuse a service whose task definition UpdateService cannot change. Raises Refused."""
    controller = service.get("deploymentController", {}).get("type", "ECS")
    if controller != "ECS":
        raise Refused(
            f"service {service['serviceName']} is deployed by {controller}, which owns its task definition; "
            "Meshift works with the deployment controller ECS"
        )


def _require(good: bool, tag: str, value: str, right: str) -> None:
    if not good:
        raise InvalidTag(f"tag {tag}: {value!r} is not {right}")


def _matching(tags: Mapping[str, str], name: str, pattern: re.Pattern[str], right: str) -> str | None:
    value = tags.get(PREFIX + name)
    if value is not None:
        _require(pattern.fullmatch(value) is not None, PREFIX + name, value, right)
    return value


def _name(tags: Mapping[str, str], name: str) -> str | None:
    return _matching(tags, name, _NAME, "a name (no spaces, no / and no @)")


def _names(tag: str, value: str, right: str) -> tuple[str, ...]:
    names = tuple(value.split())
    for each in names:
        _require(_NAME.fullmatch(each) is not None, tag, value, right)
    _require(len(set(names)) == len(names), tag, value, "a list that names each virtual service once")
    return names


def _listed_at(backends: str) -> str | None:
    """Return the name of the parameter that the tag refers to; None when the tag is the list itself."""
    if not backends.startswith("@"):
        return None
    name = backends.removeprefix("@")
    _require(
        _BACKENDS.fullmatch(name) is not None,
        BACKENDS,
        backends,
        "names of virtual services, or @ and the name of an SSM parameter under /meshift/backends/",
    )
    return name


def _protocol(tags: Mapping[str, str]) -> str | None:
    value = tags.get(PREFIX + "protocol")
    if value is not None:
        _require(value in PROTOCOLS, PREFIX + "protocol", value, f"one of {', '.join(PROTOCOLS)}")
    return value
