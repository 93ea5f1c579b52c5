"""What the Envoys of tasks count, as CloudWatch metrics: the very metrics that the collector beside them publishes.

Requests to a virtual node that were answered, as its callers' Envoys count them, those by class of answer, and how long
the answers took; every second here, every minute there (functions/domain/sidecar/collector.py).
"""

import logging
import re
import threading
import time
from collections import Counter
from typing import Any
from urllib.parse import quote

from ministack.core import responses
from ministack.services import cloudwatch

from domain.sidecar.collector import CLASSES, LATENCY, NAMESPACE, REQUESTS
from local import envoys
from local.dataplane import PLANE
from local.patching import expect
from local.settings import REGION

_PATTERN = r"^cluster\.([^/]+)/virtualNode/([^/]+)/\d+/\w+\.upstream_rq_(?:completed|([2-5])xx|time)$"
_NAMED = re.compile(_PATTERN)
_ALL = "all"
Counts = dict[tuple[str, str], Counter[str | float]]
"""Answers of each mesh and node: all of them, by class (the first digit of the status), and by milliseconds."""
log = logging.getLogger("meshift.statistics")


def install() -> None:
    """Begin to read."""
    expect(cloudwatch, "_put_metric_data", "params", "cbor_data", "is_cbor", "is_json")
    threading.Thread(target=_read, daemon=True, name="meshift-statistics").start()


def counts_of(statistics: dict[str, Any]) -> Counts:
    """Read what an Envoy's administration says; what lies in a bucket took as long as its middle.

    >>> name = "cluster.apps/virtualNode/serviceB/80/http2.upstream_rq_"
    >>> bucket = {"lower_bound": 50, "width": 1, "count": 2}
    >>> details = [{"name": f"{name}time", "totals": [bucket], "intervals": []}]
    >>> counts_of({"stats": [{"name": f"{name}5xx", "value": 3}, {"histograms": {"details": details}}]})
    {('apps', 'serviceB'): Counter({'5': 3, 50.5: 2})}
    """
    found: Counts = {}
    for each in statistics["stats"]:
        named = _NAMED.fullmatch(each.get("name", ""))
        if named:
            mesh, node, digit = named.groups("")
            found.setdefault((mesh, node), Counter())[digit or _ALL] += each["value"]
        for histogram in each.get("histograms", {}).get("details", []):
            named = _NAMED.fullmatch(histogram["name"])
            if named:
                counts = found.setdefault((named[1], named[2]), Counter())
                for bucket in histogram["totals"]:
                    counts[bucket["lower_bound"] + bucket["width"] / 2] += bucket["count"]
    return found


def news_of(before: Counts, now: Counts) -> Counts:
    """What was counted since the last time, for the nodes that were called since.

    >>> news_of({("m", "a"): Counter({"2": 1})}, {("m", "a"): Counter({"2": 3}), ("m", "b"): Counter()})
    {('m', 'a'): Counter({'2': 2})}
    """
    changes = {node: counts - before.get(node, Counter()) for node, counts in now.items()}
    return {node: change for node, change in changes.items() if change}


def metric_data(news: Counts) -> list[dict[str, Any]]:
    """Write metric data: all classes of answers, for that none was bad is news, too."""
    data = []
    for (mesh, node), counts in news.items():
        where = {"mesh": mesh, "node": node}
        data.append(_datum(REQUESTS, where, Value=float(counts[_ALL]), Unit="Count"))
        for digit in ("2", "3", "4", "5"):
            by_class = where | {"envoy_response_code_class": digit}
            data.append(_datum(CLASSES, by_class, Value=float(counts[digit]), Unit="Count"))
        took = {millis: count for millis, count in counts.items() if isinstance(millis, float)}
        if took:
            values, times = [*took], [float(count) for count in took.values()]
            data.append(_datum(LATENCY, where, Values=values, Counts=times, Unit="Milliseconds"))
    return data


def _datum(metric: str, dimensions: dict[str, str], **measured: Any) -> dict[str, Any]:
    named = [{"Name": name, "Value": each} for name, each in dimensions.items()]
    return {"MetricName": metric, "Dimensions": named, **measured}


def _read() -> None:
    before: dict[str, Counts] = {}
    path = f"/stats?format=json&histogram_buckets=detailed&filter={quote(_PATTERN)}"
    while True:
        time.sleep(1)
        for running in (each for each in PLANE.all() if each.envoy):
            try:
                now = counts_of(envoys.ask(running.place.admin, path))
                _publish(running.account, news_of(before.get(running.id, {}), now))
                before[running.id] = now
            except (OSError, ValueError):
                continue  # it is about to start, or to end
            except Exception:  # one Envoy must not stop the others; what went wrong stands in the log
                log.exception("statistics of task %s", running.id)


def _publish(account: str, news: Counts) -> None:
    if news:
        with responses.request_scope(account, REGION):
            wanted = {"Namespace": NAMESPACE, "MetricData": metric_data(news)}
            cloudwatch._put_metric_data({}, wanted, False, is_json=True)
