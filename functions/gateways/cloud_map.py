"""Cloud Map: who is registered for a service, asked at most once a poll interval and container.

When Cloud Map does not answer, or asks for patience, what it answered last counts: Envoys keep their endpoints.
"""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import get_session

from domain.discovery.terms import CloudMapQuery, Instance
from domain.errors import Busy

Instances = dict[CloudMapQuery, tuple[Instance, ...]]
# Within the time that a poll has.
CONFIG = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 1})
MOST_INSTANCES = 1000
MOST_SERVICES = 2000
AT_ONCE = 8


class CloudMap:
    """The instances of this account's services, as this container knows them."""

    def __init__(self, client: Any = None, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with nothing known; the client is made when it is first needed."""
        self._client, self._clock = client, clock
        self._known: dict[CloudMapQuery, tuple[float, tuple[Instance, ...]]] = {}

    def instances(self, queries: Iterable[CloudMapQuery], seconds: float) -> Instances:
        """Find the instances for each query, none older than `seconds` unless Cloud Map fails.

        Raises Busy when it fails and nothing is known yet: nobody there would be a lie. A service that does not exist
        has no instances.
        """
        now, wanted = self._clock(), list(queries)
        old = [query for query in wanted if query not in self._known or self._known[query][0] + seconds <= now]
        if old:
            if len(self._known) > MOST_SERVICES:
                self._known.clear()
                old = wanted
            with ThreadPoolExecutor(AT_ONCE) as pool:
                for query, found in zip(old, pool.map(self._discover, old), strict=True):
                    self._known[query] = now, found
        return {query: self._known[query][1] for query in wanted}

    def _discover(self, query: CloudMapQuery) -> tuple[Instance, ...]:
        try:
            answer = (self._client or _servicediscovery()).discover_instances(
                NamespaceName=query.namespace,
                ServiceName=query.service,
                QueryParameters=dict(query.attributes),
                HealthStatus="ALL",
                MaxResults=MOST_INSTANCES,
            )
        except (ClientError, BotoCoreError) as error:
            response: dict[str, Any] = getattr(error, "response", {})
            if response.get("Error", {}).get("Code") in ("NamespaceNotFound", "ServiceNotFound"):
                return ()
            if query not in self._known:
                raise Busy(f"Cloud Map does not answer for {query.service} in {query.namespace}: {error}") from error
            return self._known[query][1]
        return tuple(sorted((instance_of(each) for each in answer["Instances"]), key=lambda each: each.address))


def instance_of(found: dict[str, Any]) -> Instance:
    """Read an instance of DiscoverInstances; one without a health check counts as healthy."""
    attributes = found.get("Attributes", {})
    address = next((attributes[name] for name in ADDRESSES if attributes.get(name)), "")
    port = attributes.get("AWS_INSTANCE_PORT", "")
    healthy = found.get("HealthStatus") != "UNHEALTHY"
    return Instance(address, int(port) if port.isdigit() else None, healthy, attributes)


ADDRESSES = ("AWS_INSTANCE_IPV4", "AWS_INSTANCE_IPV6", "AWS_INSTANCE_CNAME", "AWS_ALIAS_DNS_NAME")


@cache
def _servicediscovery() -> Any:
    return get_session().create_client("servicediscovery", config=CONFIG)
