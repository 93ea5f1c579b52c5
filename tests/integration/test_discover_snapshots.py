"""A mesh that is brought up to date by what was written since is the mesh that is read whole."""

import json

import pytest

from domain.hosted.kinds import MeshKey
from tests.hosted_mesh import CONSUMER, OWNER
from tests.polls import ROUTE, spec, weights

KEY = MeshKey(OWNER, "apps")


def changes(client, hosted):
    """Change something, in every way there is."""
    node = {"meshName": "apps", "virtualNodeName": "new"}
    arn = client.create_virtual_node(**node, spec=spec("new"))["virtualNode"]["metadata"]["arn"]
    yield "a node is made"
    client.update_virtual_node(**node, spec=spec("newer"))
    yield "a node is changed"
    client.tag_resource(resourceArn=arn, tags=[{"key": "team", "value": "b"}])
    yield "a node is tagged"
    client.delete_virtual_node(**node)
    client.create_virtual_node(**node, spec=spec("again"))
    yield "a node is made again"
    client.update_mesh(meshName="apps", spec={"egressFilter": {"type": "ALLOW_ALL"}})
    yield "the mesh is changed"
    hosted.request("PUT", "/meshift/v1/meshes/apps/principals", json.dumps({"accounts": [CONSUMER]}))
    yield "the mesh is shared"
    client.delete_route(**ROUTE)
    yield "a route is deleted"


def test_what_was_written_since_makes_the_same_mesh(tutorial, hosted):
    known = hosted.store.snapshot(KEY)
    seen = 0
    for what in changes(tutorial, hosted):
        whole = hosted.store.snapshot(KEY)
        hosted.dynamodb.calls.clear()
        known = hosted.store.newer(KEY, known, whole.changes)
        assert hosted.dynamodb.calls == ["query"]
        assert known == whole, what
        seen += 1
    assert seen == 7


def test_too_much_to_follow_is_read_whole(tutorial, hosted):
    known = hosted.store.snapshot(KEY)
    for share in range(26):
        tutorial.update_route(**ROUTE, spec=weights(serviceB=100 - share, serviceBv2=share))
    assert hosted.store.newer(KEY, known, hosted.store.changes(KEY)) is None


def test_a_mesh_that_was_made_anew_is_read_whole(hosted):
    client = hosted.client()
    client.create_mesh(meshName="apps")
    known = hosted.store.snapshot(KEY)
    client.delete_mesh(meshName="apps")
    client.create_mesh(meshName="apps")
    assert hosted.store.newer(KEY, known, hosted.store.changes(KEY)) is None


def test_what_envoys_are_told_does_not_depend_on_how_it_was_read(tutorial, hosted, discovery):
    for what in changes(tutorial, hosted):
        answers = {kind: discovery.poll(kind)["body"] for kind in ("clusters", "listeners")}
        warm = discovery.warm
        discovery.restart()
        assert {kind: discovery.poll(kind)["body"] for kind in answers} == answers, what
        discovery.warm = warm


@pytest.fixture(autouse=True)
def _quiet(caplog):
    caplog.set_level("WARNING")
