"""What the closest peer does wrong (the AWS blog's canary pipeline for App Mesh on ECS), each a flow that does not.

Where a narrower test has it already, it is named.
"""

import copy
import json

import pytest

from domain.errors import InvalidPolicy
from domain.policy import parse_policy
from domain.weights import with_weights
from tests.cloud.cloud import Cloud, in_force
from tests.cloud.faults import Fault
from tests.cloud.tutorial import NAME, TAGS, begun, deploy
from tests.faults.flows import CANDIDATE, FLOWS, SHORT, STABLE, edit, mesh_of, rolling_out
from tests.faults.sweep import RECOVERED_AFTER, Case, played
from tests.faults.verdict import endings

BY_NAME = {flow.name: flow for flow in FLOWS}
KEPT = {
    "priority": 7,
    "http2Route": {
        "match": {"prefix": "/", "method": "GET", "headers": [{"name": "x-canary", "match": {"exact": "yes"}}]},
        "retryPolicy": {
            "maxRetries": 3,
            "perRetryTimeout": {"unit": "s", "value": 4},
            "httpRetryEvents": ["gateway-error"],
        },
        "timeout": {"idle": {"unit": "s", "value": 30}},
    },
}


@pytest.fixture
def cloud():
    with in_force(begun(SHORT)) as cloud:
        yield cloud


def outcome(cloud: Cloud) -> dict:
    return cloud.history("#outcome")[-1]["document"]


def test_a_route_keeps_its_priority_match_method_headers_time_outs_ports_and_retries(cloud):
    """Also: tests/integration/test_rollout.py, test_a_shift_changes_weights_and_nothing_else."""
    mesh = mesh_of(cloud)
    route = mesh.describe_route(NAME, NAME)
    action = {"weightedTargets": [{"virtualNode": STABLE, "weight": 100, "port": 80}]}
    spec = {"priority": 7, "http2Route": {**KEPT["http2Route"], "action": action}}
    mesh.update_route(NAME, NAME, spec, route["metadata"]["version"])
    deploy(cloud, CANDIDATE, "app:2")
    cloud.run()
    after = copy.deepcopy(mesh.describe_route(NAME, NAME)["spec"])
    targets = after["http2Route"].pop("action")["weightedTargets"]
    assert after == KEPT
    assert {each["virtualNode"]: (each["weight"], each["port"]) for each in targets} == {
        STABLE: (0, 80),
        CANDIDATE: (100, 80),
    }


@pytest.mark.parametrize("protocol", ["http", "http2", "grpc", "tcp"])
def test_a_protocol_stays_what_it_is(protocol):
    with in_force(begun(SHORT)) as cloud:
        tags = {"meshift:virtual-service": "other.apps.local", "meshift:protocol": protocol}
        for name in ("otherB", "otherBv2"):
            deploy(cloud, name, tags=tags)
            cloud.run()
        spec = mesh_of(cloud).describe_route("other.apps.local", "other.apps.local")["spec"]
        assert list(spec) == [f"{protocol}Route"]
        assert endings(cloud)[-1] == "Promoted"


def test_names_are_not_taken_apart(cloud):
    """A name with dashes and a version in it is only a name."""
    deploy(cloud, "orders-v1-2", tags={**TAGS, "meshift:virtual-service": "orders-v1.apps-2.local"})
    cloud.run()
    deploy(cloud, "orders-v1-3", tags={**TAGS, "meshift:virtual-service": "orders-v1.apps-2.local"})
    cloud.run()
    path = "virtualRouter/orders-v1.apps-2.local/route/orders-v1.apps-2.local"
    assert cloud.routes()[path] == {"orders-v1-2": 0, "orders-v1-3": 100}


def test_a_split_that_was_left_behind_blocks_no_later_rollout(cloud):
    deploy(cloud, CANDIDATE, "app:2")
    cloud.run(until=lambda: rolling_out(cloud))
    for each in cloud.states.running:
        cloud.states.stop_execution(each.arn)
    cloud.run()
    edit(cloud, {STABLE: 90, CANDIDATE: 10})
    deploy(cloud, CANDIDATE, "app:3")
    cloud.run()
    assert outcome(cloud)["outcome"] == "Promoted"


def test_an_edit_during_a_rollout_is_left_as_it_is_and_never_makes_more_than_all():
    result = played(Case(BY_NAME["be edited"], ()))
    assert (result.endings[-1], result.wrong) == ("Frozen", ())


def test_a_step_of_150_is_refused_by_name():
    with pytest.raises(InvalidPolicy, match=r"steps\[0\].weight: 150"):
        parse_policy(json.dumps({"steps": [{"weight": 150}]}))


@pytest.mark.parametrize("kind", ["denied", "failed", "lost", "throttled"])
def test_an_update_that_fails_is_tried_again_and_then_undone_and_the_input_is_kept(kind):
    """The peer returns a value that nobody reads, and its roll back dies of a KeyError."""
    flow = BY_NAME["roll out"]
    cloud = flow.fresh()
    with in_force(cloud):
        flow.act(cloud)
        cloud.run()
        (first,) = [each.number for each in cloud.asked if each.operation == "UpdateRoute"][1:2]
    result = played(Case(flow, (Fault(kind, first, lasting=True),)))
    assert result.wrong == ()
    assert result.endings[-1] in ("Rolled Back", "Roll Back Failed")


def test_at_100_the_old_version_stays_through_the_last_bake_and_is_not_removed(cloud):
    stable = next(arn for arn in cloud.ecs.services if arn.endswith(STABLE))
    deploy(cloud, CANDIDATE, "app:2")
    baked = []
    cloud.watchers.append(lambda asked: baked.append(asked.function) if full(cloud) else None)
    cloud.run()
    assert "CheckHealthFunction" in baked
    assert cloud.ecs.answering(stable) == 2


def full(cloud: Cloud) -> bool:
    return any(weights.get(CANDIDATE) == 100 for weights in cloud.routes().values())


def test_no_data_is_not_healthy(cloud):
    cloud.alarms.states["errors"] = "INSUFFICIENT_DATA"
    deploy(cloud, CANDIDATE, "app:2")
    cloud.run()
    assert outcome(cloud)["outcome"] == "Rolled Back"
    assert "deadline" in outcome(cloud)["reason"]


def test_one_bad_check_rolls_nothing_back_where_the_policy_allows_two():
    with in_force(begun({**SHORT, "failureLimit": 2})) as cloud:
        deploy(cloud, CANDIDATE, "app:2")
        bad = []

        def ring(asked):
            if asked.operation == "DescribeAlarms" and asked.function == "CheckHealthFunction":
                bad.append(asked)
                cloud.alarms.states["errors"] = "OK"
            elif asked.operation == "UpdateRoute" and asked.function == "ShiftTrafficFunction" and not bad:
                cloud.alarms.states["errors"] = "ALARM"

        cloud.watchers.append(ring)
        cloud.run()
        assert outcome(cloud)["outcome"] == "Promoted"


def test_when_the_roll_back_fails_both_sides_are_kept_running_and_people_are_told():
    """The peer deletes the new stack while traffic goes there."""
    flow = BY_NAME["die on both sides"]
    cloud = flow.fresh()
    with in_force(cloud):
        flow.act(cloud)
        cloud.run()
        cloud.wait(RECOVERED_AFTER)
        assert outcome(cloud)["outcome"] == "Roll Back Failed"
        assert all(each["status"] == "ACTIVE" for each in cloud.ecs.services.values())
        (told,) = {mail["Subject"] for mail in cloud.told.mails}
        assert told == f"Meshift: Roll Back Failed, {CANDIDATE}"
        assert f"{STABLE} has no task that could answer" in outcome(cloud)["reason"]
        assert "set the weights" in outcome(cloud)["reason"]


def test_two_rollouts_of_one_virtual_service_do_not_interleave(cloud):
    deploy(cloud, CANDIDATE, "app:2")
    deploy(cloud, "serviceBv3", "app:3")
    writers = []
    cloud.watchers.append(
        lambda asked: (
            writers.append(cloud.states.at_work.arn)
            if asked.operation == "UpdateRoute" and asked.function == "ShiftTrafficFunction"
            else None
        )
    )
    cloud.run()
    turns = [arn for number, arn in enumerate(writers) if number == 0 or writers[number - 1] != arn]
    assert len(turns) == len(set(turns)) == 2


def test_a_rollout_can_be_paused_aborted_and_is_announced():
    """The peer has no lock, pause, abort or notification. Also: tests/integration/test_operate.py."""
    result = played(Case(BY_NAME["pause and resume"], ()))
    assert (result.endings[-1], result.wrong) == ("Promoted", ())


def test_a_route_with_weights_of_others_is_written_with_the_weights_alone():
    spec = {"tcpRoute": {"action": {"weightedTargets": [{"virtualNode": "a", "weight": 1}]}, "timeout": {}}}
    assert with_weights(spec, {"a": 100})["tcpRoute"]["timeout"] == {}
