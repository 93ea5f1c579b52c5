"""Nodes that Cloud Map finds: asked once an interval, health respected, and its silence is no answer."""

import json

import pytest
from botocore.exceptions import ClientError

from tests.polls import spec


class CloudMap:
    """Answers DiscoverInstances, counts the calls, fails when told to."""

    def __init__(self):
        self.calls, self.instances, self.failure = 0, [("10.0.0.1", "HEALTHY"), ("10.0.0.2", "UNHEALTHY")], None

    def discover_instances(self, **asked):
        self.calls += 1
        if self.failure:
            raise self.failure
        assert (asked["NamespaceName"], asked["ServiceName"], asked["HealthStatus"]) == ("apps.local", "b", "ALL")
        return {
            "Instances": [
                {"Attributes": {"AWS_INSTANCE_IPV4": address, "AWS_INSTANCE_PORT": "8080"}, "HealthStatus": health}
                for address, health in self.instances
            ]
        }


@pytest.fixture
def cloud_map(discovery, tutorial):
    """serviceB is found by Cloud Map."""
    found = {"awsCloudMap": {"namespaceName": "apps.local", "serviceName": "b"}}
    tutorial.update_virtual_node(
        meshName="apps", virtualNodeName="serviceB", spec={**spec("serviceB"), "serviceDiscovery": found}
    )
    discovery.cloud_map = CloudMap()
    discovery.restart()
    return discovery.cloud_map


def addresses(discovery):
    found = next(each for each in discovery.resources("clusters") if "/serviceB/" in each["name"])
    return [
        each["endpoint"]["address"]["socket_address"]["address"]
        for locality in found["load_assignment"]["endpoints"]
        for each in locality["lb_endpoints"]
    ]


def throttled():
    return ClientError({"Error": {"Code": "RequestLimitExceeded", "Message": "slow down"}}, "DiscoverInstances")


def test_instances_of_cloud_map_are_asked_for_once_an_interval_for_all_envoys(discovery, cloud_map):
    assert addresses(discovery) == ["10.0.0.1"]
    discovery.resources("clusters")
    discovery.resources("listeners")
    assert cloud_map.calls == 1


def test_a_change_in_cloud_map_reaches_envoys_although_the_mesh_did_not_change(discovery, cloud_map):
    version = json.loads(discovery.poll("clusters")["body"])["version_info"]
    cloud_map.instances = [("10.0.0.3", "HEALTHY")]
    assert discovery.poll("clusters", version)["statusCode"] == 304
    discovery.later += 6
    assert discovery.poll("clusters", version)["statusCode"] == 200
    assert addresses(discovery) == ["10.0.0.3"]


def test_while_cloud_map_does_not_answer_its_last_answer_counts(discovery, cloud_map):
    assert addresses(discovery) == ["10.0.0.1"]
    cloud_map.failure = throttled()
    discovery.later += 6
    assert addresses(discovery) == ["10.0.0.1"]
    assert cloud_map.calls == 2


def test_a_container_that_never_heard_from_cloud_map_refuses_rather_than_say_that_nobody_is_there(discovery, cloud_map):
    cloud_map.failure = throttled()
    answer = discovery.poll("clusters")
    assert answer["statusCode"] == 503
    assert "Cloud Map does not answer for b in apps.local" in answer["body"]


def test_a_service_that_cloud_map_does_not_know_has_no_instances(discovery, cloud_map):
    cloud_map.failure = throttled()
    cloud_map.failure.response["Error"]["Code"] = "ServiceNotFound"
    assert addresses(discovery) == []


def test_cloud_map_of_other_accounts_is_not_asked(discovery, cloud_map):
    discovery.warm.account = "222222222222"
    assert addresses(discovery) == []
    assert cloud_map.calls == 0
