"""What a rollout by the default policy takes: state transitions and USD, from a real execution's history on local AWS.

`python -m benchmarks.rollout` deploys the stack to a local AWS of its own, where waiting takes no time, rolls a second
version out, and counts the states that its execution entered: but for the turns that it waits until Envoys know the new
node, which take seconds on any clock.
"""

import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "functions"), str(ROOT)]

from domain.checks import calls  # noqa: E402
from domain.policy import parse_policy  # noqa: E402
from domain.timeline import PRICES_OF, cost, states_entered, steps_of  # noqa: E402
from local import deploy  # noqa: E402
from local.instance import call, running  # noqa: E402
from local.settings import OWNER  # noqa: E402
from local.tutorial import MESH, VIRTUAL_SERVICE, Tutorial  # noqa: E402

TAGS = {"meshift:mesh": MESH, "meshift:virtual-service": VIRTUAL_SERVICE, "meshift:hostname": VIRTUAL_SERVICE}
TURN = ("Wait Its Turn", "Plan Rollout", "Is There Anything To Do?")


def main() -> None:
    """Print a JSON line. Raises AssertionError when the history is not what the policy's cost counts."""
    with tempfile.TemporaryDirectory() as state, running(Path(state), deploymentSeconds=0.5) as aws:
        deploy.deploy(aws, {OWNER: {}})
        call(f"{aws.endpoint}/_ministack/config", {"stepfunctions._SFN_WAIT_SCALE": 0})
        tutorial = Tutorial(aws)
        first = tutorial.create_service("serviceB", "serviceb:1", TAGS)
        tutorial.outcome(first, "Nothing To Do", "Refused", known=1)
        second = tutorial.create_service("serviceBv2", "serviceb:2", TAGS)
        output = tutorial.outcome(second, "Promoted", "Rolled Back", "Refused", known=1)
        policy = aws.client("ssm").get_parameter(Name="/meshift/policies/default")["Parameter"]["Value"]
        entered = states_of(tutorial, second)
    if output["outcome"] != "Promoted":
        raise AssertionError(output)
    understood = parse_policy(policy)
    counted = states_entered(steps_of(understood))
    turns = entered.count(TURN[0])
    if Counter(entered) != Counter([*counted, *TURN * turns]):
        raise AssertionError(f"entered {Counter(entered)}, counted {Counter(counted)}")
    found = cost(counted, calls(understood.checks))
    print(
        json.dumps(
            {
                "benchmark": "rollout by the default policy",
                "transitions": len(entered) - len(TURN) * turns,
                "invocations": found.invocations,
                "cloudwatch_calls": found.cloudwatch_calls,
                "usd": round(found.usd, 4),
                "prices_of": PRICES_OF,
            }
        )
    )


def states_of(tutorial: Tutorial, service_arn: str) -> list[str]:
    """List the states that a service's last execution entered."""
    execution = tutorial.executions(service_arn)[-1]["executionArn"]
    pages = tutorial.states.get_paginator("get_execution_history").paginate(executionArn=execution)
    events = [event for page in pages for event in page["events"]]
    return [event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event]


if __name__ == "__main__":
    main()
