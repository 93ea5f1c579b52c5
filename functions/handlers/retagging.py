"""Tags that changed: they make no event, so a schedule looks at the services that were enrolled once."""

import random
import time
from collections.abc import Iterator
from typing import Any

from domain.deployment import primary
from domain.enrolment import read_tags
from domain.errors import NotFound
from domain.leaving import acted_on, batches
from gateways import ecs
from gateways.enrolled import Enrolled
from handlers.attempts import start_attempt
from handlers.sweep import sweep
from observability import logger
from settings import Settings

Document = dict[str, Any]
_SECONDS = 25.0
"""Of the function's 60: deployments in the same batch come after it."""


def see_to_changed_tags(settings: Settings, seconds: float = _SECONDS) -> None:
    """Start an attempt for each service whose tags are others than those last acted on.

    After so many seconds the rest is left to the next look, which comes by the clock.
    Raises RuntimeError, after all were tried, when one failed: the message comes again.
    """
    message, changed = {"Records": [{"messageId": "sweep"}]}, _changed(settings, seconds)
    if sweep(message, changed, lambda service: _try(service, settings), "serviceArn")["batchItemFailures"]:
        raise RuntimeError("not every service whose tags changed could be seen to; the log says which")


def _changed(settings: Settings, seconds: float) -> Iterator[Document]:
    """Describe the services that are known, as far as there is time; those that are gone are forgotten."""
    enrolled, until = Enrolled(settings.rollout_table), time.monotonic() + seconds
    groups = list(batches(enrolled.all()))
    random.shuffle(groups)  # so that none is always the one there is no time for
    for batch in groups:
        try:
            found = {
                each["serviceArn"]: each for each in ecs.describe_services([k.service for k in batch], batch[0].cluster)
            }
        except NotFound:
            found = {}
        for known in batch:
            if time.monotonic() >= until:
                logger.warning("Not all services were looked at for changed tags; the next look goes on")
                return
            service = found.get(known.service)
            if service is None:
                enrolled.forget(known.service)
            elif acted_on(read_tags(service.get("tags", []))) != known.tags and primary(service) is not None:
                yield service


def _try(service: Document, settings: Settings) -> None:
    """Start an attempt, and remember for which tags: one that is refused is not tried again until they change."""
    tags = acted_on(read_tags(service.get("tags", [])))
    execution = start_attempt(service, service["clusterArn"].rpartition("/")[2], settings, retagged=True)
    Enrolled(settings.rollout_table).remember(service["serviceArn"], tags)
    logger.info("The tags changed", ecs_service=service["serviceArn"], execution=execution)
