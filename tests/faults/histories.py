"""Random histories: what people, deployments and AWS can do to Meshift, in any order, at any moment, against a model.

The acts are the rules of `Histories`; after each the model (`model`) looks. At a history's end everything is repaired,
and two things must be so: nothing is as it must not be (`verdict`), and one more deployment is promoted: whatever
happened, nothing is stuck. What fails is shrunk by hypothesis to the fewest acts that still fail, and printed as code.
"""

import json
import sys
from contextlib import ExitStack, suppress
from functools import cache
from typing import Any

from botocore.exceptions import ClientError
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from domain.errors import MeshiftError
from domain.weights import with_weights
from tests.cloud import tutorial
from tests.cloud.cloud import Cloud, in_force
from tests.cloud.faults import KINDS, LASTING, Fault
from tests.cloud.tutorial import MESH, NAME, begun, deploy
from tests.faults.flows import CANDIDATE, STABLE, mesh_of, operate, rolling_out
from tests.faults.model import Model
from tests.faults.verdict import illegal

BATCH, ACTS = 50, 8
"""Histories of one seed; acts of a history, at most."""
TASKS = 2
"""Of a service that is well."""
LONGEST = 400
POLICY = {**tutorial.POLICY, "deadlineSeconds": 900}
POLICIES = {
    "plain": POLICY,
    "gated": {
        **POLICY,
        "steps": [{"weight": 25, "bakeSeconds": 30, "gate": {"timeoutSeconds": 300, "onTimeout": "rollback"}}],
    },
    "freezing": {**POLICY, "onFailure": "freeze", "onNoData": "fail"},
    "cleaning": {**POLICY, "cleanUp": "scale-to-zero"},
    "patient": {
        **POLICY,
        "failureLimit": 3,
        "onNoData": "pass",
        "steps": [{"weight": 1, "bakeSeconds": 90}, {"weight": 99, "bakeSeconds": 0}],
    },
    "unreadable": {"steps": []},
}
SIGNALS = ("pause", "resume", "abort", "skip-wait", "promote", "retry", "approve")
THEN = st.none() | st.integers(0, 60) | st.integers(0, LONGEST)
"""Seconds until the next act; None until a rollout has moved traffic and is not at its end."""
NEIGHBOURS = st.sampled_from((CANDIDATE, STABLE))
SERVICES = NEIGHBOURS | st.just("serviceBv3")
IMAGES = st.integers(2, 4).map("app:{}".format)
NUMBERS = st.integers(0, 5)
"""Which of those that there are, from the newest on."""
DELAYS = st.lists(st.lists(st.sampled_from((1, 5, 200)), min_size=1, max_size=3), min_size=1, max_size=6)
"""After how many seconds the events come, in turns; several times, where there are several."""


_at_work = precondition(lambda self: self.cloud.states.running)
"""On a quiet account these would change nothing that a deployment does not find anyway."""


@cache
def _begun(plane: str) -> Cloud:
    return begun(POLICY, ControlPlane=plane)


class Histories(RuleBasedStateMachine):
    """Histories of serviceB, serviceBv2 and serviceBv3 behind one virtual service."""

    cloud: Cloud

    def __init__(self) -> None:
        super().__init__()
        self.within, self.events = ExitStack(), list[Any]()

    @initialize(
        plane=st.sampled_from(("hosted", "appmesh")),
        delays=DELAYS,
        policy=st.sampled_from(["plain", "gated"]),
        then=st.none() | THEN,
    )
    def begin(self, plane: str, delays: list[list[int]], policy: str, then: int | None) -> None:
        """A stable service, and a candidate that is deployed."""
        self.cloud = _begun(plane).fork()
        self.model = Model(self.cloud)
        self.cloud.chaos = lambda event: self._delivered(event, delays)
        self.within.enter_context(in_force(self.cloud))
        self._set_policy(POLICIES[policy])
        deploy(self.cloud, CANDIDATE, "app:2")
        self._wait(then)

    def _delivered(self, event: Any, delays: list[list[int]]) -> list[int]:
        self.events.append(event)
        return delays[len(self.events) % len(delays)]

    # -- what people do

    @rule(name=SERVICES, image=IMAGES, then=THEN)
    def deploy(self, name: str, image: str, then: int | None) -> None:
        deploy(self.cloud, name, image)
        self._wait(then)

    @rule(number=NUMBERS, then=THEN)
    def deploy_again(self, number: int, then: int | None) -> None:
        """Deploy a revision that was there before, with or without Envoy."""
        revision = _chosen(list(self.cloud.ecs.revisions), number)
        name = self.cloud.ecs.revisions[revision]["family"]
        self.cloud.ecs.deploy(self._service(name), revision)
        self._wait(then)

    @_at_work
    @rule(signal=st.sampled_from(SIGNALS), number=st.none() | NUMBERS, then=THEN)
    def signal(self, signal: str, number: int | None, then: int | None) -> None:
        """Ask the rollout at work, or one of the executions that run, also one that waits."""
        running = self.cloud.states.running if number is not None else []
        operate(self.cloud, signal, **({"execution": _chosen(running, number).name} if running else {}))
        self._wait(then)

    @rule(name=SERVICES, then=THEN)
    def start(self, name: str, then: int | None) -> None:
        operate(self.cloud, "start", cluster="apps", service=name)
        self._wait(then)

    @_at_work
    @rule(weight=st.sampled_from((0, 10, 40, 100)), then=THEN)
    def edit_weights(self, weight: int, then: int | None) -> None:
        self._edit(lambda spec: with_weights(spec, {STABLE: 100 - weight, CANDIDATE: weight}))
        self._wait(then)

    @_at_work
    @rule(seconds=st.integers(1, 9), then=THEN)
    def edit_time_out(self, seconds: int, then: int | None) -> None:
        """Change a part of the route that is not the weights."""
        timeout = {"perRequest": {"unit": "s", "value": seconds}}
        self._edit(lambda spec: {key: {**each, "timeout": timeout} for key, each in spec.items()})
        self._wait(then)

    @_at_work
    @rule(what=st.none() | SERVICES, then=THEN)
    def delete(self, what: str | None, then: int | None) -> None:
        """Delete the route; or a node, out of the route first, where it has no weight."""

        def without(spec: Any) -> Any:
            ((kind, each),) = spec.items()
            left = [one for one in each["action"]["weightedTargets"] if one["virtualNode"] != what or one["weight"]]
            return {kind: {**each, "action": {"weightedTargets": left}}}

        with suppress(ClientError):
            if what is None:
                mesh_of(self.cloud)._api.delete_route(meshName=MESH, virtualRouterName=NAME, routeName=NAME)
            else:
                self._edit(without)
                mesh_of(self.cloud)._api.delete_virtual_node(meshName=MESH, virtualNodeName=what)
        self._wait(then)

    @_at_work
    @rule(number=NUMBERS, then=THEN)
    def stop(self, number: int, then: int | None) -> None:
        self.cloud.states.stop_execution(_chosen(self.cloud.states.running, number).arn)
        self._wait(then)

    @rule(policy=st.sampled_from(sorted(POLICIES)), then=THEN)
    def change_policy(self, policy: str, then: int | None) -> None:
        self._set_policy(POLICIES[policy])
        self._wait(then)

    @_at_work
    @rule(name=NEIGHBOURS, then=THEN)
    def scale_to_zero_or_back(self, name: str, then: int | None) -> None:
        service = self.cloud.ecs.services[self._service(name)]
        service["desiredCount"] = 0 if service["desiredCount"] else TASKS
        self._wait(then)

    @rule(name=SERVICES, there=st.booleans(), then=THEN)
    def tag(self, name: str, there: bool, then: int | None) -> None:
        """Take the tag away by which a service is in the mesh, or put it back."""
        self._tag(name, there)
        self._wait(then)

    # -- what happens

    @_at_work
    @rule(state=st.sampled_from(("OK", "ALARM", "INSUFFICIENT_DATA")), then=THEN)
    def alarm(self, state: str, then: int | None) -> None:
        self.cloud.alarms.states["errors"] = state
        self._wait(then)

    @_at_work
    @rule(name=NEIGHBOURS, then=THEN)
    def sicken_or_heal(self, name: str, then: int | None) -> None:
        self.cloud.ecs.sick ^= {self._service(name)}
        self._wait(then)

    @rule(image=IMAGES, then=THEN)
    def break_or_mend(self, image: str, then: int | None) -> None:
        self.cloud.ecs.broken ^= {image}
        self._wait(then)

    @rule(kind=st.sampled_from(KINDS), lasting=st.booleans(), ahead=st.integers(0, 40), then=THEN)
    def fault(self, kind: str, lasting: bool, ahead: int, then: int | None) -> None:
        """Let something go wrong with the call that is so many calls ahead, and for an hour with all like it."""
        self.cloud.faults.append(Fault(kind, len(self.cloud.asked) + ahead, lasting=lasting and kind in LASTING))
        self._wait(then)

    @_at_work
    @rule(number=st.integers(0, 20), then=THEN)
    def deliver_again(self, number: int, then: int | None) -> None:
        """An old event comes once more."""
        self.cloud.emit(_chosen(self.events, number))
        self._wait(then)

    @_at_work
    @rule(then=THEN)
    def recover(self, then: int | None) -> None:
        self.cloud.recover()
        self._wait(then)

    @_at_work
    @rule(seconds=st.sampled_from((900, 4000, 90_000)))
    def later(self, seconds: int) -> None:
        """Deadlines pass, outages end."""
        self.cloud.wait(seconds)

    # -- what must be so

    @invariant()
    def nothing_is_wrong(self) -> None:
        assert not (wrong := self.model.wrong()), wrong

    def teardown(self) -> None:
        with self.within:
            if sys.exception() is None:
                self._end()

    def _end(self) -> None:
        cloud, outage = self.cloud, any(each.lasting for each in self.cloud.faults)
        self._repair()
        cloud.run()
        cloud.wait(2000)
        wrong = [*self.model.wrong(), *self.model.unexplained(), *self._illegal(outage)]
        assert not wrong, wrong
        last = STABLE if all(each.get(CANDIDATE) == 100 for each in cloud.routes().values()) else CANDIDATE
        arn = deploy(cloud, last, "app:last")
        cloud.ecs.scale(arn, self._enough(last))
        cloud.run()
        cloud.wait(2000)
        wrong = [*self.model.wrong(), *self.model.unexplained(), *self._illegal(outage)]
        assert not wrong, wrong
        ended = cloud.executions()[-1].output
        shares = [each.get(last) for each in cloud.routes().values()]
        assert set(shares) == {100}, f"after all was repaired: {ended}"

    def _enough(self, name: str) -> int:
        """How many tasks can take over from all others together, who have more of them the less they carry."""
        others = [
            {node: each for node, each in weights.items() if each and node != name}
            for weights in self.cloud.routes().values()
        ]
        return max([TASKS, *(TASKS * len(each) * 100 // sum(each.values()) + 1 for each in others if each)])

    def _illegal(self, outage: bool) -> list[str]:
        """What must never be; where the traffic is, is for people to say here, who edit it."""
        return [each for each in illegal(self.cloud, outage) if not each.startswith("the outcome is")]

    def _repair(self) -> None:
        """Make everything well again, and let go what people hold."""
        cloud = self.cloud
        cloud.faults, cloud.chaos = [], lambda event: [1]
        cloud.alarms.states["errors"] = "OK"
        self._set_policy(POLICY)
        cloud.ecs.sick.clear()
        cloud.ecs.broken.clear()
        for arn in cloud.ecs.services:
            cloud.ecs.scale(arn, TASKS)
            self._tag(arn.rpartition("/")[2], True)
        operate(cloud, "resume")

    # -- how it is done

    def _wait(self, then: int | None) -> None:
        self.cloud.clock.run(lambda: then is None and rolling_out(self.cloud), LONGEST if then is None else then)

    def _set_policy(self, policy: Any) -> None:
        self.cloud.parameters.values["/meshift/policies/default"] = json.dumps(policy)

    def _service(self, name: str) -> str:
        return next((arn for arn in self.cloud.ecs.services if arn.endswith(f"/{name}")), "")

    def _tag(self, name: str, there: bool) -> None:
        service, tag = self.cloud.ecs.services.get(self._service(name)), {"key": "meshift:mesh", "value": MESH}
        if service:
            service["tags"] = [each for each in service["tags"] if each["key"] != tag["key"]] + [tag] * there

    def _edit(self, change: Any) -> None:
        with suppress(MeshiftError):
            mesh = mesh_of(self.cloud)
            route = mesh.describe_route(NAME, NAME)
            mesh.update_route(NAME, NAME, change(route["spec"]), route["metadata"]["version"])


def _chosen(those: Any, number: int) -> Any:
    """Choose by number, from the newest on."""
    return those[-1 - number % len(those)]


SETTINGS = settings(
    database=None,
    deadline=None,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    print_blob=True,
    report_multiple_bugs=False,
    stateful_step_count=ACTS,
    suppress_health_check=list(HealthCheck),
)


def live(number: int, count: int) -> None:
    """Live through the histories of a seed; raises what hypothesis raises for the shortest wrong one."""
    run_state_machine_as_test(seed(number)(Histories), settings=settings(SETTINGS, max_examples=count))


def lived(batch: tuple[int, int]) -> tuple[int, str]:
    """Live through a batch: a seed, and how many histories; returns how many there were, and what was wrong."""
    try:
        live(*batch)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        steps = [each for each in getattr(error, "__notes__", ()) if "nothing_is_wrong" not in each]
        return batch[1], "\n".join([f"history of seed {batch[0]}: {error}", *steps])
    return batch[1], ""
