"""What a step asks of the mesh: to read each route, to write it, and to read it back; a check reads it once."""

import json
from contextlib import contextmanager

import pytest

from gateways.mesh import _client
from handlers import check_health, plan_rollout, shift_traffic
from tests.shapes import SUBJECT, route_spec

ROUTER = SUBJECT["virtualRouter"]


@pytest.fixture
def planned(aws, mesh, service, running_tasks, context):
    """A rollout over two routes, planned."""
    mesh.create_route(meshName="apps", virtualRouterName=ROUTER, routeName="by-header", spec=route_spec())
    policy = {"steps": [{"weight": 25}, {"weight": 50}], "checkEverySeconds": 30}
    aws("ssm").put_parameter(Name="/meshift/policies/default", Value=json.dumps(policy), Type="String")
    document = service.document(subject=SUBJECT, application="fingerprint")
    answer = plan_rollout.handler(document, context)
    assert answer["outcome"] == "Planned", answer
    return {**document, **answer}


@contextmanager
def called():
    """Note each call of the mesh API: the operation, and the route it is about."""
    found = []
    events = _client(None, None).meta.events
    events.register(
        "before-call.app-mesh", note := lambda model, params, **_: found.append((model.name, params["url_path"]))
    )
    yield found
    events.unregister("before-call.app-mesh", note)


def calls_of(route, found):
    assert all("/routes/" in path for _, path in found)
    return [operation for operation, path in found if path.endswith(f"/{route}")]


def test_a_step_takes_two_calls_and_one_read_back_per_route(planned, context):
    for step in range(len(planned["plan"]["steps"])):
        position = {**planned["position"], "step": step, "from": step - 1}
        with called() as found:
            assert shift_traffic.handler({**planned, "position": position, "to": "step"}, context)["shifted"]
        for route in (ROUTER, "by-header"):
            assert calls_of(route, found) == ["DescribeRoute", "UpdateRoute", "DescribeRoute"]


def test_a_step_that_is_there_already_is_only_read(planned, context):
    document = {**planned, "to": "step"}
    shift_traffic.handler(document, context)
    with called() as found:
        shift_traffic.handler(document, context)
    assert [operation for operation, _ in found] == ["DescribeRoute", "DescribeRoute"]


def test_a_check_reads_each_route_once(planned, context):
    shift_traffic.handler({**planned, "to": "step"}, context)
    with called() as found:
        assert check_health.handler(planned, context)["next"] == "Shift"
    assert calls_of(ROUTER, found) == calls_of("by-header", found) == ["DescribeRoute"]
