"""A metric, or an expression of several, within bounds."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.checks.kinds import HOUR, Check, Found, Query, Series, Watch
from domain.checks.result import FAIL, INCONCLUSIVE, NO_DATA, PASS, Result

_WORD = re.compile(r"""'[^']*'|"[^"]*"|\b[a-z]\w*""")


@dataclass(frozen=True)
class MetricCheck(Check):
    """The newest whole period since the step began counts; what goes on in the present one is not known yet."""

    expression: str | None
    """CloudWatch's metric math over the queries' ids; None when there is one query, and that is it."""
    queries: Sequence[Mapping[str, Any]]
    period: int
    """Seconds of every period."""
    least: float | None
    most: float | None
    samples: int
    """How many samples (CloudWatch's SampleCount) one of the metrics must have since the step began; 0 asks nothing."""

    def hour_queries(self, watch: Watch) -> list[Query]:
        """List the check's queries."""
        return self.own_queries()

    def own_queries(self) -> list[Query]:
        """List the queries under ids that are this check's own."""
        asked = [self._own(query) for query in self.queries]
        if self.expression is None:
            asked[0]["ReturnData"] = True
        else:
            asked.append({"Id": self._prefix, "Expression": self._renamed(self.expression), "Period": self.period})
        return asked + ([self._counting(query) for query in asked if "MetricStat" in query] if self.samples else [])

    def judge(self, watch: Watch, found: Found) -> Result:
        """Judge the newest value."""
        judged = self._prefix if self.expression is not None else self._id(self.queries[0]["Id"])
        points = self._within(watch, found.hour.get(judged, ()))
        if not points:
            return self.result(NO_DATA, f"{self.name}: no data since the step began")
        newest = max(began for began, _ in points)
        values = [value for began, value in points if began == newest]
        said = f"{self.name}: {max(values) if self.most is not None else min(values):g}"
        if self.most is not None and max(values) > self.most:
            return self._sampled(watch, found.hour, FAIL, f"{said}, at most {self.most:g} is allowed")
        if self.least is not None and min(values) < self.least:
            return self._sampled(
                watch, found.hour, FAIL, f"{self.name}: {min(values):g}, at least {self.least:g} is asked"
            )
        return self._sampled(watch, found.hour, PASS, said)

    def _sampled(self, watch: Watch, hour: Series, verdict: str, said: str) -> Result:
        counted = [hour.get(f"{self._id(query['Id'])}_samples", ()) for query in self.queries]
        samples = max(sum(value for _, value in self._within(watch, points)) for points in counted)
        if samples < self.samples:
            return self.result(INCONCLUSIVE, f"{said}; {samples:.0f} samples of the {self.samples} that are needed")
        return self.result(verdict, said)

    def _within(self, watch: Watch, points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
        return [(began, value) for began, value in points if watch.began <= began and began + self.period <= watch.now]

    @property
    def _prefix(self) -> str:
        return f"c{self.number}"

    def _id(self, own: str) -> str:
        return f"{self._prefix}_{own}"

    def _own(self, query: Mapping[str, Any]) -> Query:
        asked: Query = {**query, "Id": self._id(query["Id"]), "ReturnData": False}
        if "MetricStat" in query:
            return {**asked, "MetricStat": {**query["MetricStat"], "Period": self.period}}
        return {**asked, "Expression": self._renamed(query["Expression"]), "Period": self.period}

    def _counting(self, query: Query) -> Query:
        counted = {**query["MetricStat"], "Stat": "SampleCount"}
        return {**query, "Id": f"{query['Id']}_samples", "MetricStat": counted, "ReturnData": True}

    def _renamed(self, expression: str) -> str:
        """Put this check's own ids in the place of the author's, but not within quotes."""
        known = {query["Id"] for query in self.queries}
        return _WORD.sub(lambda found: self._id(found[0]) if found[0] in known else found[0], expression)


LONGEST_PERIOD = HOUR
