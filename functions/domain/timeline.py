"""What a rollout means in time and in money: when which weight, how long it still takes, what AWS takes for it.

Steps and position are those of `planning` and `rollout`. Times are what the state machine waits for; what its
functions take comes on top.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.planning import plan_steps
from domain.policy import Policy
from domain.weights import TOTAL

Steps = Sequence[Mapping[str, Any]]
"""The steps of a plan."""
_SETUP = ("Join Mesh", "Did It Join?", "Inject Envoy", "Was Envoy Added?", "Plan Rollout", "Is There Anything To Do?")
_GATE = ("Gate", "Check Health", "What Now?")
_SHIFT = ("Shift Traffic", "Was Traffic Shifted?")
_SLICE = ("Bake", "Check Health", "What Now?")
_END = ("Promote", "Finish Rollout", "How Did It End?", "Promoted")
_TASKS = frozenset({"Join Mesh", "Inject Envoy", "Plan Rollout", "Gate", "Shift Traffic", "Check Health", "Clean Up",
                    "Finish Rollout"})  # fmt: skip
PRICES_OF = "us-east-1, read on 2026-11-23"
PRICES = {"transition": 0.025 / 1e3, "request": 0.20 / 1e6, "gb_second": 0.0000133334, "cloudwatch": 0.01 / 1e3}
"""List prices, USD, beyond the free tiers: Step Functions' state transition, Lambda's request and GB-second on arm64,
CloudWatch's API request, and metric in GetMetricData. Sources: https://aws.amazon.com/step-functions/pricing/,
https://aws.amazon.com/lambda/pricing/, https://aws.amazon.com/cloudwatch/pricing/."""
SECONDS_TAKEN, GB = 1.0, 0.5
"""What an invocation is reckoned to take, rather too long than too short, and the functions' memory."""


@dataclass(frozen=True)
class Cost:
    """What one rollout takes of AWS when nothing keeps it waiting."""

    transitions: int
    invocations: int
    cloudwatch_calls: int

    @property
    def usd(self) -> float:
        """Its price."""
        calls = self.transitions * PRICES["transition"] + self.cloudwatch_calls * PRICES["cloudwatch"]
        return calls + self.invocations * (PRICES["request"] + SECONDS_TAKEN * GB * PRICES["gb_second"])


def steps_of(policy: Policy) -> list[dict[str, Any]]:
    """Return the steps of a rollout that begins at nothing, on one route with one stable node."""
    return plan_steps({"route": {"stable": TOTAL, "candidate": 0}}, "candidate", policy, 0)


def timeline(steps: Steps) -> list[dict[str, Any]]:
    """List when each step comes: `{"at", "weight", "bakeSeconds", "checks"}` and its `gate`, if it has one.

    `at` is in seconds since the first could begin, with gates that are opened at once.

    >>> from domain.policy import parse_policy
    >>> text = '{"steps": [{"weight": 25, "bakeSeconds": 60}], "finalBakeSeconds": 45}'
    >>> [(each["at"], each["weight"], each["checks"]) for each in timeline(steps_of(parse_policy(text)))]
    [(0, 25, 2), (60, 100, 2)]
    """
    found, at = [], 0
    for step in steps:
        bake = step["slices"] * step["waitSeconds"]
        gate = {"gate": step["gate"]} if step.get("gate") else {}
        weight = step["weights"]["route"]["candidate"]
        found.append({"at": at, "weight": weight, "bakeSeconds": bake, "checks": step["slices"], **gate})
        at += bake
    return found


def seconds_to_go(steps: Steps, position: Mapping[str, Any], waited: float = 0) -> int:
    """Return how long until a rollout is promoted if all checks are good from now on and gates are opened at once.

    `waited` is how long the present slice has baked already.

    >>> steps = [{"slices": 3, "waitSeconds": 10}, {"slices": 2, "waitSeconds": 5}]
    >>> seconds_to_go(steps, {"step": 0, "slice": 1}, 4)
    26
    """
    present, later = steps[position["step"]], steps[position["step"] + 1 :]
    bake = (present["slices"] - position["slice"]) * present["waitSeconds"] - waited
    to_come = sum(step["slices"] * step["waitSeconds"] for step in later)
    return math.ceil(max(0.0, float(bake))) + int(to_come)


def states_entered(steps: Steps, clean_up: bool = False, gates_wait: bool = False) -> list[str]:
    """List the states that a rollout enters up to its promotion, in their order, when nothing else keeps it waiting.

    Gates are opened at once or, with `gates_wait`, when their time is nearly over.
    """
    found = list(_SETUP)
    for step in steps:
        gate = step.get("gate")
        if gate:
            found += _GATE * (math.ceil(gate["timeoutSeconds"] / max(1, gate["waitSeconds"])) if gates_wait else 1)
        found += [*_SHIFT, *_SLICE * step["slices"]]
    return [*found, *(["Clean Up"] if clean_up else []), *_END]


def cost(states: Sequence[str], asked: Mapping[str, int]) -> Cost:
    """Count what the states of a rollout take; `asked` is what each of its checks asks of AWS.

    >>> cost(["Bake", "Check Health", "What Now?"], {"DescribeAlarms": 1, "GetMetricData metrics": 2, "Invoke": 1})
    Cost(transitions=3, invocations=2, cloudwatch_calls=3)
    """
    checks, own = states.count("Check Health"), sum(state in _TASKS for state in states)
    calls = checks * (asked.get("DescribeAlarms", 0) + asked.get("GetMetricData metrics", 0))
    looked_up = states.count("Plan Rollout") * asked.get("DescribeAlarms", 0)
    return Cost(len(states), own + checks * asked.get("Invoke", 0), calls + looked_up)
