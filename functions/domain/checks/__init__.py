"""Checks of a rollout: what a policy may ask of the world, and what the answers mean.

A check is parsed when the policy is read, and again from the plan, which carries it as its author wrote it. What it
needs to know is gathered by `handlers/checks.py`; the verdict is found here.
"""

from domain.checks.calls import calls
from domain.checks.kinds import AlarmCheck, Check
from domain.checks.parsing import parse_check, parse_checks
from domain.checks.result import FAIL, INCONCLUSIVE, NO_DATA, PASS, Result

__all__ = [
    "FAIL",
    "INCONCLUSIVE",
    "NO_DATA",
    "PASS",
    "AlarmCheck",
    "Check",
    "Result",
    "calls",
    "parse_check",
    "parse_checks",
]
