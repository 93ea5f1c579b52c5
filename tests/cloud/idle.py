"""Sweeps that would find nothing: most of a long wait's work, were they played.

What these sweeps do depends on tables, services and executions alone, not on the time. So one that only read, in a
state that has not changed since, is not played again; but one in ten is, whatever is known.
"""

from typing import TYPE_CHECKING, Any

from tests.cloud.wiring import Rule

if TYPE_CHECKING:
    from tests.cloud.cloud import Cloud

TIMELESS = {"TagSweep", "RolloutSweep"}
_READS = ("Get", "BatchGet", "Query", "Scan", "Describe", "List")
_MOST = 9


class Idle:
    """What each sweep found the last time."""

    def __init__(self, cloud: "Cloud") -> None:
        self.cloud = cloud
        self._seen: dict[str, tuple[Any, int]] = {}
        self._left: dict[str, int] = {}

    def would_find_nothing(self, rule: Rule) -> bool:
        """Say whether a sweep that is due now can be left out; if not, it is played, and remembered."""
        if rule.name not in TIMELESS:
            return False
        cloud, state = self.cloud, self._state()
        before, since = self._seen.get(rule.name, (None, 0))
        functions = {queue.function for queue in rule.queues}
        only_read = all(
            each.function not in functions or each.operation.startswith(_READS) for each in cloud.asked[since:]
        )
        outage = any(each.lasting and each.until > cloud.clock.now for each in cloud.faults)
        if before == state and only_read and not outage and self._left[rule.name]:
            self._left[rule.name] -= 1
            return True
        self._seen[rule.name], self._left[rule.name] = (state, len(cloud.asked)), _MOST
        return False

    def _state(self) -> Any:
        cloud = self.cloud
        executions = tuple((each.arn, each.status) for each in cloud.states.executions.values())
        struck = tuple(each.name for each in cloud.faults)
        return cloud.tables.writes.total(), repr(cloud.ecs.services), executions, struck
