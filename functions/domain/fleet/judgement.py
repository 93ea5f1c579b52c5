"""What a service needs to have the wanted sidecar, and why: the same decision as injection's, nothing done."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.arns import parse_service_arn
from domain.deployment import primary
from domain.enrolment import Enrolment, enrolment_of, refuse_unfit
from domain.errors import Refused
from domain.fleet.changes import told
from domain.joining import application_listener, new_node
from domain.sidecar import (
    SidecarSettings,
    comparable,
    has_wanted_sidecar,
    inject,
    is_injected,
    refuse_uninjectable,
    sidecar_for,
)

NOTHING_TO_DO, INJECT, UPGRADE, REFUSED = "Nothing To Do", "Inject", "Upgrade", "Refused"

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Judgement:
    """What is to be done about a service."""

    action: str
    reason: str

    @property
    def changes(self) -> bool:
        """Whether the service is to be redeployed."""
        return self.action in (INJECT, UPGRADE)


def node_to_be(service: Document, revision: Document, enrolment: Enrolment) -> dict[str, Any]:
    """Describe the virtual node that joining will make for a service, as far as injection asks for it.

    Raises Refused when joining would refuse its task definition.
    """
    where = parse_service_arn(service["serviceArn"])
    owner = enrolment.mesh_owner or where.account
    mesh = f"arn:{where.partition}:appmesh:{where.region}:{owner}:mesh/{enrolment.mesh}"
    metadata = {"arn": f"{mesh}/virtualNode/{enrolment.virtual_node}"}
    return {"metadata": metadata, "spec": new_node(application_listener(revision, enrolment), {}, ())}


def judge(
    service: Document,
    revision: Document,
    revision_tags: Mapping[str, str],
    node: Document | None,
    settings: SidecarSettings,
    rolled_back: str | None,
) -> Judgement:
    """Say what a service needs.

    Documents are as DescribeServices, DescribeTaskDefinition and DescribeVirtualNode give them; `node` is None when
    joining has to make it, `rolled_back` the deployment by which ECS last took the service back.
    """
    try:
        enrolment = enrolment_of(service)
        refuse_unfit(service)
        refuse_uninjectable(revision, enrolment)
        sidecar = sidecar_for(node or node_to_be(service, revision, enrolment), settings)
        injection = inject(revision, enrolment, sidecar)
    except Refused as error:
        return Judgement(REFUSED, str(error))
    name = revision["taskDefinitionArn"].rpartition("/")[2]
    if has_wanted_sidecar(revision, revision_tags, injection):
        return Judgement(NOTHING_TO_DO, f"{name} has the wanted sidecar")
    current = primary(service)
    if current is not None and current["id"] == rolled_back:
        return Judgement(REFUSED, f"ECS rolled the service back to {name}; it is left alone until you deploy it again")
    if is_injected(revision):
        changed = told(comparable(revision), comparable(injection.task_definition))
        return Judgement(UPGRADE, "; ".join([changed, *injection.notes]))
    made = [] if node else [f"virtual node {enrolment.virtual_node} is made"]
    return Judgement(INJECT, "; ".join([f"{name} gets Envoy beside {injection.container}", *injection.notes, *made]))
