"""Envoy's discovery for the hosted meshes: REST xDS v3 behind a Function URL with IAM authentication.

    POST /v3/discovery:{clusters,endpoints,listeners,routes}

An Envoy that is refused, or not answered, keeps what it has and asks again; so every doubt is a refusal, and never an
empty answer. What is refused is logged by node and reason; the request itself, with all that Envoy says about itself,
is not.
"""

import gc
import os
import time
import uuid
from collections.abc import Mapping
from functools import cache
from typing import Any

from domain.discovery.answers import response
from domain.discovery.poll import Poll, poll_of
from domain.errors import Busy
from domain.hosted.access import STREAM, Ask, Caller, caller_of, refusal
from domain.hosted.answers import error_response
from domain.hosted.errors import ApiError
from domain.hosted.kinds import arn_of
from gateways.cloud_map import CloudMap
from gateways.mesh_store import MeshStore
from handlers.known_meshes import KnownMesh, KnownMeshes
from observability import logger, metrics
from settings import DiscoverSettings

Event = Mapping[str, Any]
PATIENCE = 2.0
"""Seconds to wait for the table: Envoy waits five for an answer, and a cold start takes its part."""


def handler(event: Event, context: Any) -> dict[str, Any]:
    """Answer one poll."""
    settings, store = wiring()
    return serve(event, settings, known(store, context.invoked_function_arn.split(":")[4]), time.time())


@cache
def wiring() -> tuple[DiscoverSettings, MeshStore]:
    """Make what all requests share, once."""
    settings = DiscoverSettings.from_env(os.environ)
    return settings, MeshStore(settings.table, patience=PATIENCE)


@cache
def known(store: MeshStore, account: str) -> KnownMeshes:
    """Keep what this container knows."""
    return KnownMeshes(store, CloudMap(), account)


def serve(event: Event, settings: DiscoverSettings, meshes: KnownMeshes, now: float) -> dict[str, Any]:
    """Turn a Function URL event into a response at a time (seconds since the epoch)."""
    poll: Poll | None = None
    try:
        caller = caller_of(event)
        poll = poll_of(event, settings.region)
        mesh = meshes.current(poll.mesh)
        check(caller, poll, mesh, settings)
        if mesh is None or poll.path not in mesh.view.resources:
            raise unknown(poll)
        return response(mesh.answer(poll, now), poll.version)
    except Busy as error:
        refused = ApiError("ServiceUnavailableException", str(error))
    except ApiError as error:
        refused = error
    except Exception:  # noqa: BLE001 - logged, and answered as the fault that it is
        logger.exception("failed", **told(poll))
        refused = ApiError("InternalServerErrorException", "this is a fault of discovery")
    return refuse(refused, event, poll)


def check(caller: Caller, poll: Poll, mesh: KnownMesh | None, settings: DiscoverSettings) -> None:
    """Raise what a caller is refused with who may not have this configuration: its account must own the node.

    Whoever may, learns that the node does not exist (yet); a stranger never does.
    """
    record = mesh.snapshot.resources.get(poll.path) if mesh else None
    arn = arn_of(settings.partition, settings.region, poll.mesh, poll.path)
    ask = Ask(STREAM, poll.mesh, arn, record.metadata["resourceOwner"] if record else None)
    refused = refusal(caller, ask, mesh.snapshot.mesh.access if mesh else None)
    if refused:
        raise unknown(poll) if refused.code == "NotFoundException" else refused


def unknown(poll: Poll) -> ApiError:
    """Say that there is no such node: its Envoy must wait, for what is empty would be taken for the truth."""
    where = f"mesh {poll.mesh.name} of account {poll.mesh.owner}"
    return ApiError("ServiceUnavailableException", f"{where} has no {poll.path}, or does not exist")


def refuse(refused: ApiError, event: Event, poll: Poll | None) -> dict[str, Any]:
    """Answer with an error, and make it visible."""
    logger.info("refused", code=refused.code, reason=refused.message, **told(poll))
    metrics.add_metric("DiscoveryRefused", "Count", 1)
    metrics.flush_metrics()
    return error_response(refused, str(event["requestContext"].get("requestId") or uuid.uuid4()))


def told(poll: Poll | None) -> dict[str, Any]:
    """What log lines say of a poll."""
    if poll is None:
        return {}
    return {"mesh": poll.mesh.name, "mesh_owner": poll.mesh.owner, "path": poll.path, "envoy": poll.envoy}


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:  # INIT has a full processor, whatever the function's memory: use it
    wiring()[1].connect()
    gc.freeze()  # every poll's many objects make the collector run: it need not look at what stays
