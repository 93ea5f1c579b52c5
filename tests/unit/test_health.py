import pytest

from domain.health import Health, judge
from tests.shapes import service, tasks

DEPLOYMENT = "ecs-svc/2394811370187363041"


def test_all_is_well():
    health = judge(service(), DEPLOYMENT, tasks(2), ["errors"], {"errors": "OK"})
    assert health == Health(healthy=2)


@pytest.mark.parametrize(
    ("present", "running", "says"),
    [
        (None, [], "the service is gone"),
        (service(), [], "0 of 2 tasks run with a healthy Envoy"),
        (service(), tasks(1) + tasks(1, health="UNHEALTHY"), "1 of 2 tasks"),
        (service(), tasks(2, health="UNHEALTHY"), "0 of 2 tasks"),
        (service(), tasks(2, task_definition="other:1"), "0 of 2 tasks"),
        (service(desiredCount=0), [], "0 of 0 tasks"),
        (
            service(
                deployments=[
                    {
                        "id": DEPLOYMENT,
                        "status": "PRIMARY",
                        "taskDefinition": "x",
                        "rolloutState": "FAILED",
                        "rolloutStateReason": "tasks failed",
                    }
                ]
            ),
            [],
            "the deployment failed: tasks failed",
        ),
    ],
)
def test_ecs_health_always_counts(present, running, says):
    health = judge(present, DEPLOYMENT, running, [], {})
    assert health.unhealthy
    assert says in health.reason


def test_an_alarm_is_unhealthy():
    assert judge(service(), DEPLOYMENT, tasks(), ["a", "b"], {"a": "OK", "b": "ALARM"}).reason == "in alarm: b"


@pytest.mark.parametrize("states", [{"a": "INSUFFICIENT_DATA"}, {}])
def test_no_data_is_not_health(states):
    health = judge(service(), DEPLOYMENT, tasks(), ["a"], states)
    assert health.no_data
    assert not health.unhealthy


def test_another_primary_deployment_supersedes():
    assert judge(service(), "ecs-svc/1", tasks(), [], {}).superseded


def test_a_task_that_is_on_its_way_is_no_failure():
    assert judge(service(desiredCount=3), DEPLOYMENT, tasks(2), [], {}).pending


def test_an_alarm_rings_also_while_a_task_is_on_its_way():
    assert judge(service(desiredCount=3), DEPLOYMENT, tasks(2), ["a"], {"a": "ALARM"}).unhealthy
