"""plan_wave: count what came of the fleet's last wave, look on through the services, and say who is in the next.

Nothing is kept but the service that was looked at last: each look lists the clusters anew, in the order of the ARNs,
and judges what comes after it by its present state. So a fleet can be run again at any time, and does what is left.
"""

import os
from collections.abc import Iterator
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from domain.deployment import primary
from domain.enrolment import enrolment_of, is_enrolled, read_tags
from domain.errors import InvalidRequest, NotFound, Refused
from domain.fleet import (
    REFUSED,
    FleetRequest,
    Judgement,
    count_judged,
    count_wave,
    empty_tally,
    judge,
    parse_fleet_request,
    too_many_failed,
)
from gateways import ecs
from gateways.mesh import Mesh
from gateways.remembered import Remembered
from handlers.wanted_sidecar import sidecar_settings
from observability import logger, metrics
from settings import Settings

Document = dict[str, Any]
_MOST_LOOKED_AT = 100
"""How many services one call looks at: what it takes its time for, and what its answer holds."""


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: Document, context: LambdaContext) -> Document:
    """Plan one wave, or the next part of a dry run.

    Takes `{"request", "execution"}`, later what it answered itself, with the wave's `results`. Returns the document of
    the execution with `next`: Look On, Bring In, Announce, Planned or Refused; `services` is what was judged,
    `wave` who is to be brought in, `tally` all counts so far, `last` who was looked at last.
    """
    logger.set_correlation_id(event["execution"].rpartition(":")[2])
    settings, document = Settings.from_env(os.environ), {"request": event["request"], "services": [], "wave": []}
    tally = event.get("tally") or empty_tally()
    try:
        request = parse_fleet_request(event["request"])
        if "results" in event:
            counted = count_wave(tally, event["wave"], event["results"])
            stop = too_many_failed(tally, counted, event["wave"], request.tolerate)
            tally = counted
            if stop:
                return _told({**document, "tally": tally, "next": "Announce", "outcome": "Stopped", "reason": stop})
        return _told({**document, **_look_on(request, event.get("last") or [], tally, settings)})
    except InvalidRequest as error:
        return _told({**document, "tally": tally, "next": "Refused", "outcome": "Refused", "reason": str(error)})


def _told(answer: Document) -> Document:
    logger.info(answer["next"], tally=answer["tally"], wave=[each["service"] for each in answer["wave"]])
    return answer


def _look_on(request: FleetRequest, last: list[str], tally: Document, settings: Settings) -> Document:
    """Judge what comes after `last`, [cluster, ARN], until a wave is full."""
    judged: list[Judgement | None] = []
    services: list[Document] = []
    wave: list[Document] = []
    for cluster, service in _services(request, last):
        if len(judged) == _MOST_LOOKED_AT or len(wave) == request.wave:
            break
        arn, last = service["serviceArn"], [cluster, service["serviceArn"]]
        found = _judge(service, settings) if is_enrolled(read_tags(service.get("tags", []))) else None
        judged.append(found)
        if found is not None:
            services.append({"service": arn, "action": found.action, "reason": found.reason})
            current = primary(service)
            if found.changes and current is not None and not request.dry_run:
                wave.append({"service": arn, "cluster": cluster, "deployment": current["id"], "turns": 0})
    tally = count_judged(tally, [each.action if each else None for each in judged])
    answer = {"services": services, "wave": wave, "tally": tally, "last": last}
    if wave:
        return {**answer, "next": "Bring In"}
    if judged:
        return {**answer, "next": "Look On"}
    if request.dry_run:
        return {**answer, "next": "Planned"}
    return {**answer, "next": "Announce", "outcome": "Brought In", "reason": "every service was looked at"}


def _services(request: FleetRequest, last: list[str]) -> Iterator[tuple[str, Document]]:
    for cluster in [request.cluster] if request.cluster else sorted(ecs.list_clusters()):
        if [cluster] < last[:1]:
            continue
        try:
            arns = [arn for arn in sorted(ecs.list_services(cluster)) if [cluster, arn] > last]
        except NotFound as error:
            if request.cluster:
                raise InvalidRequest(f"cluster: {error}") from error
            continue
        for start in range(0, len(arns), 10):
            found = ecs.describe_services(arns[start : start + 10], cluster)
            yield from ((cluster, service) for service in sorted(found, key=lambda each: str(each["serviceArn"])))


def _judge(service: Document, settings: Settings) -> Judgement:
    """Read what the judgement needs; what cannot be found is its reason to refuse."""
    try:
        current = primary(service)
        if current is None:
            raise NotFound(f"service {service['serviceName']} has no primary deployment")
        enrolment = enrolment_of(service)
        subject = {"mesh": enrolment.mesh, "meshOwner": enrolment.mesh_owner}
        node = _node(subject, enrolment.virtual_node, settings)
        wanted = sidecar_settings(subject, settings)
        revision, tags = ecs.describe_task_definition(current["taskDefinition"])
    except (Refused, NotFound) as error:
        return Judgement(REFUSED, str(error))
    rolled_back = Remembered(settings.rollout_table).rolled_back(service["serviceArn"])
    return judge(service, revision, tags, node, wanted, rolled_back)


def _node(subject: Document, name: str, settings: Settings) -> Document | None:
    """Return a virtual node, None when joining will make it. Raises NotFound without a mesh."""
    mesh = Mesh.of(subject, settings)
    try:
        return mesh.describe_virtual_node(name)
    except NotFound:
        if mesh.is_there():
            return None
    owner = f" of account {subject['meshOwner']}, or it is not shared yet" if subject["meshOwner"] else ""
    raise NotFound(f"there is no mesh {subject['mesh']}{owner}")
