"""Candidate against stable, by what the Envoys of their callers count (namespace Meshift/Envoy).

The callers' side sees what a caller sees: a connection that failed and a request that took too long are answers of 503
and 504 there, and the candidate's own Envoy has heard of neither. Requests that a step brings are counted since it
began; the stable side's over its last hour with traffic, for at 100 it gets none.

Both checks ask the same: is a share of the requests too large? For errors it is that of the answers 5xx, for p99 that
of the requests slower than p99 may be, of which there may be one in a hundred. A check fails when the share is too
large for sure (see `shares`), however few requests that takes; it passes when the share is not too large and there were
requests enough; else it is inconclusive, and more requests will tell.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.checks.kinds import HOUR, Check, Found, Query, Series, Watch
from domain.checks.result import FAIL, INCONCLUSIVE, NO_DATA, PASS, Result
from domain.checks.shares import interval, worse_by
from domain.sidecar.collector import CLASSES, LATENCY, NAMESPACE, REQUESTS

ERROR_RATE, P99 = "errorRate", "p99"
SLOWER = 0.01
"""What p99 means: so many may be slower."""
LEAST_MILLIS = 10
"""p99 may always be so much more than the stable side's: Envoys count whole milliseconds, in wide buckets."""


@dataclass(frozen=True)
class EnvoyCheck(Check):
    """Requests that fail, or are slow: at most so many, and not many more than on the stable side."""

    most: float | None
    """The bound whatever the stable side does: a share of 1, milliseconds."""
    above: float | None
    """How much worse than the stable side is allowed: a difference of shares, a ratio of milliseconds."""
    requests: int
    """As many requests as it takes to pass."""

    def judge(self, watch: Watch, found: Found) -> Result:
        """Judge the candidate."""
        if not watch.envoys_tell:
            return self.result(NO_DATA, f"{self.name}: these Envoys do not count requests by the node that is called")
        if not any((*found.step.values(), *(found.hour.get(_id(name, at)) for name, at in self._heard(watch)))):
            return self.result(
                NO_DATA, f"{self.name}: no Envoy has counted a request to {watch.candidate} or beside it"
            )
        return self._judge(watch, found)

    def hour_queries(self, watch: Watch) -> list[Query]:
        """Read what the stable side is compared by."""
        if not watch.envoys_tell:
            return []
        return [query for place, node in enumerate(watch.stable) for query in self._stable(watch, node, place)]

    def _stable(self, watch: Watch, node: str, place: int) -> list[Query]:
        raise NotImplementedError

    def _heard(self, watch: Watch) -> list[tuple[str, int]]:
        return [(name, place) for name in ("requests", "timed") for place in range(len(watch.stable))]

    def _judge(self, watch: Watch, found: Found) -> Result:
        raise NotImplementedError

    def _weighed(self, verdicts: Sequence[str], requests: float, said: str) -> Result:
        if FAIL in verdicts:
            return self.result(FAIL, said)
        if requests < self.requests:
            return self.result(INCONCLUSIVE, f"{said}; {self.requests} requests are needed")
        return self.result(INCONCLUSIVE if INCONCLUSIVE in verdicts else PASS, said)


@dataclass(frozen=True)
class ErrorRateCheck(EnvoyCheck):
    """Answers 5xx."""

    def _stable(self, watch: Watch, node: str, place: int) -> list[Query]:
        """Read all answers and the bad ones."""
        return [_requests(watch, node, place, HOUR), _errors(watch, node, place, HOUR)]

    def step_queries(self, watch: Watch, hour: Series) -> list[Query]:
        """Read all answers and the bad ones of the candidate."""
        return [_requests(watch, watch.candidate), _errors(watch, watch.candidate)] if watch.envoys_tell else []

    def _judge(self, watch: Watch, found: Found) -> Result:
        requests, errors = _sum(found.step, "requests"), _sum(found.step, "errors")
        places = range(len(watch.stable))
        before = sum(_sum(found.hour, "requests", place) for place in places)
        before_bad = sum(_sum(found.hour, "errors", place) for place in places)
        share = errors / requests if requests else 0.0
        said = f"{self.name}: {_of(errors, requests)} to {watch.candidate} failed"
        verdicts = []
        if self.most is not None and requests:
            verdicts.append(_verdict(interval(errors, requests)[0] > self.most, share <= self.most))
            said += f", at most {self.most:.2%} may"
        if self.most is None and not before:
            return self.result(NO_DATA, f"{said}, and there is nothing to compare with")
        if self.above is not None and requests and before:
            least = worse_by(errors, requests, before_bad, before)
            verdicts.append(_verdict(least > self.above, share - before_bad / before <= self.above))
            said += f", {_of(before_bad, before)} to {' and '.join(watch.stable)}; {self.above:.2%} more may"
        return self._weighed(verdicts, requests, said)


@dataclass(frozen=True)
class P99Check(EnvoyCheck):
    """Slow answers."""

    def _stable(self, watch: Watch, node: str, place: int) -> list[Query]:
        """Read p99, and how many requests it stands on."""
        return [_timed(watch, node, place, HOUR), _latency(watch, node, "p99", "p99", place, HOUR)]

    def step_queries(self, watch: Watch, hour: Series) -> list[Query]:
        """Read how many requests the candidate answered, and how many of them slower than p99 may be."""
        bound = self._bound(watch, hour)
        if not watch.envoys_tell:
            return []
        timed = [_timed(watch, watch.candidate)]
        return timed if bound is None else [*timed, _latency(watch, watch.candidate, self._slow, f"TC({bound:.12g}:)")]

    @property
    def _slow(self) -> str:
        return f"slow{self.number}"

    def _bound(self, watch: Watch, hour: Series) -> float | None:
        """Return how slow p99 may be, in milliseconds; None when there is nothing to compare with."""
        found = [p99 for place in range(len(watch.stable)) if (p99 := _stable_p99(hour, place)) is not None]
        bounds = [] if self.most is None else [self.most]
        if self.above is not None and found:
            bounds.append(max(max(found) * self.above, max(found) + LEAST_MILLIS))
        return round(min(bounds), 1) if bounds else None

    def _judge(self, watch: Watch, found: Found) -> Result:
        bound, requests = self._bound(watch, found.hour), _sum(found.step, "timed")
        if bound is None:
            return self.result(NO_DATA, f"{self.name}: {requests:.0f} requests, and nothing to compare with")
        slow = _sum(found.step, self._slow)
        said = f"{self.name}: {_of(slow, requests)} to {watch.candidate} took longer than {bound:.12g} ms"
        said += f", {SLOWER:.0%} may"
        verdicts = []
        if requests:
            verdicts.append(_verdict(interval(slow, requests)[0] > SLOWER, slow / requests <= SLOWER))
        return self._weighed(verdicts, requests, said)


def _stable_p99(hour: Series, place: int) -> float | None:
    """Return a node's p99. An hour lies in two periods of CloudWatch: the one with more requests tells."""
    requests = dict(hour.get(_id("timed", place), ()))
    percentiles = hour.get(_id("p99", place), ())
    return max(percentiles, key=lambda point: requests.get(point[0], 0))[1] if percentiles else None


def _requests(watch: Watch, node: str, place: int | None = None, period: int = 60) -> Query:
    return _query(_id("requests", place), REQUESTS, watch, node, "Sum", period)


def _errors(watch: Watch, node: str, place: int | None = None, period: int = 60) -> Query:
    return _query(_id("errors", place), CLASSES, watch, node, "Sum", period, {"envoy_response_code_class": "5"})


def _timed(watch: Watch, node: str, place: int | None = None, period: int = 60) -> Query:
    return _latency(watch, node, "timed", "SampleCount", place, period)


def _latency(watch: Watch, node: str, name: str, stat: str, place: int | None = None, period: int = 60) -> Query:
    return _query(_id(name, place), LATENCY, watch, node, stat, period)


def _query(
    id_: str, metric: str, watch: Watch, node: str, stat: str, period: int, more: dict[str, str] | None = None
) -> Query:
    dimensions = {"mesh": watch.mesh, "node": node, **(more or {})}
    named = [{"Name": name, "Value": value} for name, value in dimensions.items()]
    measured = {"Namespace": NAMESPACE, "MetricName": metric, "Dimensions": named}
    return {"Id": id_, "MetricStat": {"Metric": measured, "Period": period, "Stat": stat}}


def _id(name: str, place: int | None = None) -> str:
    return f"envoy_{name}" if place is None else f"envoy_{name}_{place}"


def _sum(series: Series, name: str, place: int | None = None) -> float:
    return sum(value for _, value in series.get(_id(name, place), ()))


def _verdict(fails: bool, passes: bool) -> str:
    return FAIL if fails else PASS if passes else INCONCLUSIVE


def _of(some: float, of: float) -> str:
    return f"{some:.0f} of {of:.0f} requests" + (f" ({some / of:.2%})" if of else "")
