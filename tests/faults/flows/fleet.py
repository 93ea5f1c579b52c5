"""The fleet: services that got their tags without a deployment are brought in, wave by wave."""

import json
from typing import Any

from tests.cloud.cloud import Cloud, in_force
from tests.cloud.tutorial import bare, empty
from tests.faults.flows.flow import SHORT, Flow, arn_of, has_envoy

SERVICES, BROKEN = ("fleetA", "fleetB", "fleetC"), "fleetB"
MACHINE = "arn:aws:states:us-east-1:111111111111:stateMachine:FleetStateMachine"


ENDS = ("Planned", "Brought In", "Stopped", "Refused")


def _tagged_later() -> Cloud:
    """Three services run, and have their tags since; the image of one will not start again."""
    cloud = empty(SHORT)
    with in_force(cloud):
        for name in SERVICES:
            cloud.ecs.create(name, cloud.ecs.register(bare(name, f"{name}:1")), {})
        cloud.run()
        for service in cloud.ecs.services.values():
            host = f"{service['serviceName'].lower()}.apps.local"
            tags = {"mesh": "apps", "virtual-service": host, "hostname": host}
            service["tags"] = [{"key": f"meshift:{key}", "value": value} for key, value in tags.items()]
    return cloud


def _mend(cloud: Cloud) -> None:
    """Let the broken image start again as soon as ECS went back to it, whenever that is: it is what runs."""
    if cloud.ecs.services[arn_of(cloud, BROKEN)]["number"] > 2:
        cloud.ecs.broken.clear()
    else:
        cloud.clock.later(7, lambda: _mend(cloud), background=True)


def _start(cloud: Cloud, **request: Any) -> None:
    cloud.ecs.broken.add(f"{BROKEN}:1")
    _mend(cloud)
    cloud.states.start_execution(MACHINE, "fleet-1", json.dumps({"wave": 2, **request}))


def fleet(cloud: Cloud) -> Any:
    return cloud.states.executions[f"{MACHINE.replace(':stateMachine:', ':execution:')}:fleet-1"]


def _miscounted(cloud: Cloud) -> list[str]:
    """Say what the fleet tells otherwise than it is."""
    execution = fleet(cloud)
    if execution.status == "ABORTED":
        return []
    if execution.ending.state not in ENDS:
        return [f"the fleet ended in {execution.ending.state}: {execution.ending.error}"]
    tally, inside = execution.output.get("tally"), sum(has_envoy(cloud, name) for name in SERVICES)
    if tally is None:  # it was stopped before it could plan
        return []
    found = []
    if tally["broughtIn"] > inside:
        found.append(f"the fleet brought {tally['broughtIn']} services in, and {inside} are")
    tried = sum(tally[name] for name in ("broughtIn", "leftAlone", "superseded", "failed"))
    # One that was stopped between two waves has not heard of the last one, and tries no more.
    if execution.ending.state == "Brought In" and tally["waves"] and tried != tally["inject"] + tally["upgrade"]:
        found.append(f"the fleet does not say what came of every service: {tally}")
    return found


def _plan(cloud: Cloud) -> None:
    _start(cloud)


def _ask_for_nonsense(cloud: Cloud) -> None:
    _start(cloud, wave=0)


def _bring_in(cloud: Cloud) -> None:
    _start(cloud, dryRun=False, tolerate=50)


def _bring_in_until_one_fails(cloud: Cloud) -> None:
    _start(cloud, dryRun=False, tolerate=49)


BROUGHT_IN = ("Redeployed", "Redeployed", "Nothing To Do", "Settled", "Redeployed", "Refused", "Nothing To Do")
FLEET = (
    Flow("plan a fleet", _tagged_later, _plan, ("Planned",), _miscounted),
    Flow("refuse a fleet", _tagged_later, _ask_for_nonsense, ("Refused",), _miscounted),
    Flow("bring a fleet in", _tagged_later, _bring_in, ("Brought In", "Settled", "Settled", *BROUGHT_IN), _miscounted),
    Flow(
        "stop a fleet",
        _tagged_later,
        _bring_in_until_one_fails,
        ("Stopped", "Settled", "Settled", "Redeployed", "Redeployed", "Nothing To Do", "Refused"),
        _miscounted,
    ),
)
