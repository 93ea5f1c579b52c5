"""The fleet: all enrolled services of a cluster, or of all, brought to the wanted sidecar in waves.

What is asked, what each service needs and why, how far one is, and when too many have failed. All of it pure, on
documents that a state machine can hand on.
"""

from domain.fleet.judgement import INJECT, NOTHING_TO_DO, REFUSED, UPGRADE, Judgement, judge
from domain.fleet.progress import BROUGHT_IN, FAILED, LEFT_ALONE, SUPERSEDED, Progress, progress, wait_seconds
from domain.fleet.request import FleetRequest, parse_fleet_request
from domain.fleet.tally import count_judged, count_wave, empty_tally, too_many_failed

__all__ = [
    "BROUGHT_IN",
    "FAILED",
    "INJECT",
    "LEFT_ALONE",
    "NOTHING_TO_DO",
    "REFUSED",
    "SUPERSEDED",
    "UPGRADE",
    "FleetRequest",
    "Judgement",
    "Progress",
    "count_judged",
    "count_wave",
    "empty_tally",
    "judge",
    "parse_fleet_request",
    "progress",
    "too_many_failed",
    "wait_seconds",
]
