import pytest

from domain.checks import FAIL, INCONCLUSIVE, NO_DATA, PASS, Result
from domain.health import Health, judge
from tests.shapes import service, tasks

DEPLOYMENT = "ecs-svc/2394811370187363041"


def test_all_is_well():
    health = judge(service(), DEPLOYMENT, tasks(2), [Result("errors", PASS)])
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
    health = judge(present, DEPLOYMENT, running, [])
    assert health.unhealthy
    assert says in health.reason


def found(verdict, **more):
    """The health of a candidate with all its tasks, and two checks: one that passes, and this."""
    return judge(service(), DEPLOYMENT, tasks(), [Result("a", PASS), Result("b", verdict, "b says so", **more)])


def test_a_failing_check_is_unhealthy():
    assert found(FAIL) == Health(unhealthy=True, reason="b says so", healthy=2)


def test_all_failing_checks_are_told():
    results = [Result(name, FAIL, f"{name} failed") for name in ("a", "b")]
    assert judge(service(), DEPLOYMENT, tasks(), results).reason == "a failed; b failed"


def test_no_data_is_not_health():
    assert found(NO_DATA) == Health(no_data=True, reason="b says so", healthy=2)


def test_what_a_check_says_of_no_data_goes_before_the_policy():
    assert found(NO_DATA, on_no_data="pass") == Health(healthy=2)
    assert found(NO_DATA, on_no_data="hold").pending
    assert found(NO_DATA, on_no_data="fail").unhealthy


def test_an_inconclusive_check_holds():
    assert found(INCONCLUSIVE) == Health(pending=True, reason="b says so", healthy=2)


@pytest.mark.parametrize("verdict", [FAIL, INCONCLUSIVE, NO_DATA])
def test_a_dry_run_never_counts(verdict):
    assert found(verdict, dry_run=True) == Health(healthy=2)


def test_another_primary_deployment_supersedes():
    assert judge(service(), "ecs-svc/1", tasks(), []).superseded


def test_a_task_that_is_on_its_way_is_no_failure():
    assert judge(service(desiredCount=3), DEPLOYMENT, tasks(2), []).pending


def test_a_check_fails_also_while_a_task_is_on_its_way():
    assert judge(service(desiredCount=3), DEPLOYMENT, tasks(2), [Result("a", FAIL)]).unhealthy
