"""Rollouts whose policy asks metrics, Envoys and a hook: well, ill, without an answer."""

from typing import Any

from domain.sidecar.collector import LATENCY, REQUESTS
from tests.cloud.cloud import Cloud, in_force
from tests.cloud.tutorial import deploy, empty
from tests.faults.flows.flow import CANDIDATE, SHORT, STABLE, Flow

HOOK = "meshift-hook-smoke"
QUEUED = {"Id": "queued", "MetricStat": {"Metric": {"Namespace": "App", "MetricName": "Queued"}, "Stat": "Maximum"}}
QUEUED["MetricStat"]["Metric"]["Dimensions"] = []
CHECKS = [
    {"alarm": "errors"},
    {"metric": {"queries": [QUEUED]}, "max": 10},
    {"envoy": "errorRate", "max": 0.05, "above": 0.02},
    {"envoy": "p99", "above": 1.5},
    {"hook": HOOK},
]
WELL = {
    "Queued Maximum": 3,
    f"{REQUESTS} Sum": 500,
    f"{LATENCY} SampleCount": 500,
    f"{LATENCY} p99": 20,
    f"{LATENCY} TC": 1,
}
SLOW = {f"{CANDIDATE} {LATENCY} TC": 400}
DELAYED = [{"hookStatus": "IN_PROGRESS", "callBackDelay": 10}, {"hookStatus": "SUCCEEDED"}]


def _begun() -> Cloud:
    cloud = empty({**SHORT, "checks": CHECKS, "deadlineSeconds": 90})
    cloud.hooks.answers[HOOK] = DELAYED
    with in_force(cloud):
        deploy(cloud, STABLE)
        cloud.run()
    return cloud


def _roll_out(cloud: Cloud, hook: list[dict[str, Any]], metrics: dict[str, float]) -> None:
    cloud.alarms.metrics = metrics
    cloud.hooks.answers[HOOK] = [*hook]
    deploy(cloud, CANDIDATE, "app:2")


def _be_well(cloud: Cloud) -> None:
    _roll_out(cloud, DELAYED, WELL)


def _be_slow(cloud: Cloud) -> None:
    _roll_out(cloud, DELAYED, {**WELL, **SLOW})


def _fail_the_hook(cloud: Cloud) -> None:
    _roll_out(cloud, [{"hookStatus": "FAILED"}], WELL)


def _tell_nothing(cloud: Cloud) -> None:
    _roll_out(cloud, DELAYED, {})


CHECKING = (
    Flow("be checked", _begun, _be_well, ("Redeployed", "Promoted")),
    Flow("be slow", _begun, _be_slow, ("Redeployed", "Rolled Back")),
    Flow("fail the hook", _begun, _fail_the_hook, ("Redeployed", "Rolled Back")),
    Flow("tell nothing", _begun, _tell_nothing, ("Redeployed", "Rolled Back")),
)
