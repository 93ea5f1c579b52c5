"""Retry policies and timeouts.

Sources: App Mesh API reference, HttpRetryPolicy and GrpcRetryPolicy (which codes an event stands for); user guide,
"Envoy defaults set by App Mesh" (the default retry policy, which its API never shows), "Routes" (timeouts);
aws/aws-app-mesh-roadmap#229 (the same default in Envoy's words).
"""

from collections.abc import Mapping
from typing import Any

from domain.discovery.xds import UINT32, Resource, seconds

Spec = Mapping[str, Any]
SERVER_ERRORS = (500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511)
GATEWAY_ERRORS = (502, 503, 504)
STATUS_CODES = {"server-error": SERVER_ERRORS, "gateway-error": GATEWAY_ERRORS, "client-error": (409,)}
RETRY_ON = {
    "server-error": ("reset", "retriable-status-codes"),
    "gateway-error": ("reset", "retriable-status-codes"),
    "client-error": ("retriable-status-codes",),
    "stream-error": ("refused-stream",),
    "connection-error": ("connect-failure",),
}
REQUEST_TIMEOUT = {"unit": "s", "value": 15}
ANOTHER_HOST: Resource = {
    "retry_host_predicate": [
        {
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
            },
        }
    ],
    "host_selection_retry_max_attempts": "5",
}
DEFAULT_RETRY_POLICY: Resource = {
    "retry_on": "unavailable,connect-failure,refused-stream,reset,retriable-status-codes",
    "num_retries": 2,
    "retriable_status_codes": [503],
    **ANOTHER_HOST,
}
"""What App Mesh gives every http, http2 and grpc route without a policy, and every node that provides a service."""


def retry_policy(policy: Spec | None) -> Resource:
    """Write a retry policy in Envoy's words; without one, App Mesh's default.

    >>> found = retry_policy({"maxRetries": 5, "perRetryTimeout": {"unit": "s", "value": 10},
    ...     "httpRetryEvents": ["gateway-error", "stream-error"], "tcpRetryEvents": ["connection-error"]})
    >>> found["retry_on"], found["num_retries"], found["per_try_timeout"], found["retriable_status_codes"]
    ('connect-failure,refused-stream,reset,retriable-status-codes', 5, '10s', [502, 503, 504])
    """
    if policy is None:
        return DEFAULT_RETRY_POLICY
    events = [*policy.get("httpRetryEvents", ()), *policy.get("tcpRetryEvents", ())]
    wanted = {word for event in events for word in RETRY_ON.get(event, ())} | {*policy.get("grpcRetryEvents", ())}
    codes = sorted({code for event in events for code in STATUS_CODES.get(event, ())})
    per_try = policy["perRetryTimeout"]
    return {
        "retry_on": ",".join(sorted(wanted)),
        "num_retries": min(policy["maxRetries"], UINT32),
        **({"per_try_timeout": seconds(per_try)} if per_try.get("value") else {}),
        **({"retriable_status_codes": codes} if codes else {}),
        **ANOTHER_HOST,
    }


def timeouts(timeout: Spec) -> Resource:
    """Write how long a request may take, 15 seconds if nothing is said, and how long it may be idle; 0 is for ever."""
    idle: Resource = {"idle_timeout": seconds(timeout["idle"])} if "idle" in timeout else {}
    return {"timeout": seconds(timeout.get("perRequest", REQUEST_TIMEOUT)), **idle}
