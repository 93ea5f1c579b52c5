"""The import command against the hosted mesh: plan, apply, repeat, update, refuse, copy."""

import json

import pytest

from tests.hosted_mesh import URL, HostedMesh, create_table
from tests.import_shell import APPS, OTHER, TEMPLATE, Shell

ROUTE = {"meshName": "apps", "virtualRouterName": "serviceB", "routeName": "serviceB"}
EVERYTHING = 10


@pytest.fixture
def shell(hosted, capsys):
    create_table(hosted.dynamodb.client, "others")
    return Shell(capsys, {URL: hosted.client(), OTHER: HostedMesh("others").client(), "rival": hosted.client()})


@pytest.fixture
def mesh(shell):
    """The target's client, after the tutorial's mesh was imported."""
    shell(*TEMPLATE, "--yes")
    return shell.clients[URL]


def versions(client):
    nodes = client.list_virtual_nodes(meshName="apps")["virtualNodes"]
    return {node["virtualNodeName"]: node["version"] for node in nodes}


def test_a_plan_shows_what_would_be_created_and_changes_nothing(shell):
    out = shell(*TEMPLATE)
    assert "Plan: 10 to create, 0 to update, 0 unchanged, 0 refused." in out
    assert "virtualRouter/serviceB/route/serviceB" in out
    assert "Nothing was changed; repeat with --yes to apply." in out
    assert shell.clients[URL].list_meshes()["meshes"] == []


def test_applying_creates_everything_with_its_tags_and_says_how_far_it_is(shell):
    out = shell(*TEMPLATE, "--yes")
    assert "Done: 10 created, 0 updated, 0 unchanged, 0 refused, 0 failed." in out
    assert shell.err.splitlines()[0] == "[1/10] created apps: the mesh"
    assert shell.err.splitlines()[-1] == "[10/10] created apps: virtualGateway/edge/gatewayRoute/shop"
    client = shell.clients[URL]
    route = client.describe_route(**ROUTE)["route"]["spec"]["http2Route"]
    assert route["action"]["weightedTargets"] == [
        {"virtualNode": "serviceB", "weight": 75},
        {"virtualNode": "serviceBv2", "weight": 25},
    ]
    arn = client.describe_mesh(meshName="apps")["mesh"]["metadata"]["arn"]
    assert client.list_tags_for_resource(resourceArn=arn)["tags"] == [{"key": "team", "value": "shop"}]


def test_a_second_run_finds_everything_unchanged(shell, mesh):
    before = versions(mesh)
    summary, _ = shell.plan(*TEMPLATE, "--yes")
    assert summary == {"created": 0, "updated": 0, "unchanged": EVERYTHING, "refused": 0, "failed": 0}
    assert versions(mesh) == before == {"serviceA": 1, "serviceB": 1, "serviceBv2": 1}
    assert "Nothing was changed" not in shell(*TEMPLATE)


def test_an_update_shows_what_changes_and_touches_nothing_else(shell, mesh):
    weights = [*TEMPLATE, "--parameter", "StableWeight=50", "--parameter", "CandidateWeight=50"]
    assert "spec.http2Route.action.weightedTargets[0].weight: 75 → 50" in shell(*weights)
    summary, resources = shell.plan(*weights, "--yes")
    assert (summary["updated"], summary["unchanged"]) == (1, EVERYTHING - 1)
    assert resources["serviceB/serviceB"]["outcome"] == "updated"
    assert resources["serviceB/serviceB"]["changes"][1] == {
        "path": "spec.http2Route.action.weightedTargets[1].weight",
        "before": 25,
        "after": 50,
    }
    route = mesh.describe_route(**ROUTE)["route"]
    assert (route["metadata"]["version"], route["spec"]["http2Route"]["retryPolicy"]["maxRetries"]) == (2, 5)


def test_tags_are_added_and_replaced_but_others_are_left_alone(shell, mesh):
    arn = mesh.describe_mesh(meshName="apps")["mesh"]["metadata"]["arn"]
    tags = [{"key": "team", "value": "other"}, {"key": "cost", "value": "7"}]
    mesh.tag_resource(resourceArn=arn, tags=tags)
    assert 'tags.team: "other" → "shop"' in shell(*TEMPLATE, "--yes")
    assert {tag["key"]: tag["value"] for tag in mesh.list_tags_for_resource(resourceArn=arn)["tags"]} == {
        "team": "shop",
        "cost": "7",
    }
    assert mesh.describe_mesh(meshName="apps")["mesh"]["metadata"]["version"] == 1


def test_what_only_the_target_has_is_left_alone(shell, mesh):
    mesh.create_virtual_node(meshName="apps", virtualNodeName="extra", spec={})
    summary, resources = shell.plan(*TEMPLATE, "--yes")
    assert summary["unchanged"] == EVERYTHING
    assert "extra" not in resources
    assert "extra" in versions(mesh)


def test_what_is_refused_takes_what_needs_it_along_and_lets_the_rest_through(shell, tmp_path):
    file = tmp_path / "mesh.yaml"
    file.write_text(APPS.read_text().replace("IntervalMillis: 5000", "IntervalMillis: 1"))
    summary, resources = shell.plan(str(file), *TEMPLATE[1:])
    assert summary == {"create": 8, "update": 0, "unchanged": 0, "refused": 2}
    assert resources["serviceB/serviceB"]["reasons"] == ["virtualNode/serviceB is refused"]
    (node,) = [entry for entry in resources.values() if entry["kind"] == "virtualNode" and entry["action"] == "refused"]
    assert node["reasons"][0].startswith("spec.listeners[0].healthCheck.intervalMillis is 1")
    assert node["source"] == f"{file}: ServiceB"
    shell(str(file), *TEMPLATE[1:], "--yes", code=1)
    assert set(versions(shell.clients[URL])) == {"serviceA", "serviceBv2"}


def test_a_mesh_that_exists_nowhere_is_refused(shell, tmp_path):
    file = tmp_path / "node.json"
    file.write_text(json.dumps({"virtualNode": {"meshName": "nowhere", "virtualNodeName": "a", "spec": {}}}))
    out = shell(str(file))
    assert "the mesh nowhere is neither in the source nor in the target" in out
    assert "Nothing was changed" not in out
    shell(str(file), "--yes", code=1)


def test_two_sources_that_disagree_are_refused_and_two_that_agree_are_one(shell, tmp_path):
    first, second = tmp_path / "1.json", tmp_path / "2.json"
    first.write_text(json.dumps({"mesh": {"meshName": "m", "spec": {"egressFilter": {"type": "ALLOW_ALL"}}}}))
    second.write_text(json.dumps({"mesh": {"meshName": "m", "spec": {}}}))
    assert shell.plan(str(first), str(first))[0]["create"] == 1
    refused = json.loads(shell(str(first), str(second), "--json"))["resources"][1]
    assert (refused["action"], refused["reasons"]) == ("refused", [f"it is described differently in {first}"])


def test_what_the_api_refuses_while_applying_is_reported_and_its_dependents_fail_with_it(shell, tmp_path):
    file = tmp_path / "mesh.yaml"
    file.write_text(APPS.read_text().replace("VirtualGatewayName: edge", "VirtualGatewayName: edge4"))
    client = shell.clients[URL]
    client.create_mesh(meshName="apps")
    for name in ("edge1", "edge2", "edge3"):
        listener = {"portMapping": {"port": 80, "protocol": "http"}}
        client.create_virtual_gateway(meshName="apps", virtualGatewayName=name, spec={"listeners": [listener]})
    summary, resources = shell.plan(str(file), *TEMPLATE[1:], "--yes", code=1)
    assert summary == {"created": 7, "updated": 1, "unchanged": 0, "refused": 0, "failed": 2}
    assert resources["edge4"]["reasons"][0].startswith("LimitExceededException: there are 3 virtualGateways")
    assert resources["edge4/shop"]["reasons"] == ["virtualGateway/edge4 could not be created"]


def test_somebody_elses_change_between_plan_and_apply_is_not_overwritten(shell, mesh):
    spec = mesh.describe_route(**ROUTE)["route"]["spec"]

    def meddle(**_):
        shell.clients["rival"].update_route(**ROUTE, spec=spec)

    mesh.meta.events.register("before-call.app-mesh.UpdateRoute", meddle)
    summary, resources = shell.plan(*TEMPLATE, "--parameter", "StableWeight=10", "--yes", code=1)
    assert summary["failed"] == 1
    assert resources["serviceB/serviceB"]["reasons"][0].startswith("ConflictException")
    assert mesh.describe_route(**ROUTE)["route"]["spec"] == spec


def test_a_mesh_is_copied_from_one_endpoint_to_another(shell, mesh):
    copy = ["--endpoint", URL, "--mesh", "apps", "--signing-name", "appmesh", "--to", OTHER, "--to-profile", "new"]
    summary, _ = shell.plan(*copy, "--yes")
    assert summary["created"] == EVERYTHING
    assert shell.signed[-2:] == [(OTHER, "lambda", None, "new"), (URL, "appmesh", None, None)]
    other = shell.clients[OTHER]
    assert other.describe_route(**ROUTE)["route"]["spec"] == mesh.describe_route(**ROUTE)["route"]["spec"]
    arn = other.describe_virtual_node(meshName="apps", virtualNodeName="serviceB")["virtualNode"]["metadata"]["arn"]
    assert other.list_tags_for_resource(resourceArn=arn)["tags"] == [{"key": "release", "value": "1"}]
    assert shell.plan(*copy, "--yes")[0]["unchanged"] == EVERYTHING


def test_descriptions_of_a_mesh_make_the_same_mesh(shell, mesh, tmp_path):
    documents = [mesh.describe_mesh(meshName="apps"), mesh.describe_route(**ROUTE)]
    documents += [mesh.describe_virtual_router(meshName="apps", virtualRouterName="serviceB")]
    for name in versions(mesh):
        documents.append(mesh.describe_virtual_node(meshName="apps", virtualNodeName=name))
    for number, document in enumerate(documents):
        document.pop("ResponseMetadata")
        (tmp_path / f"{number}.json").write_text(json.dumps(document, default=str))
    assert shell.plan(str(tmp_path))[0] == {"create": 0, "update": 0, "unchanged": 6, "refused": 0}
    assert shell.plan(str(tmp_path), "--to", OTHER, "--yes")[0]["created"] == 6
