"""Descriptions, folders, and files that are neither."""

import json

import pytest

from meshift.errors import BadInput
from meshift.importing.files import read_files
from meshift.importing.resources import Refusal, Resource
from meshift.importing.templates import Given

METADATA = {"arn": "arn:aws:appmesh:us-east-1:111111111111:mesh/apps", "version": 7, "uid": "u"}
ACTIVE = {"metadata": METADATA, "status": {"status": "ACTIVE"}}
MESH = {"mesh": {"meshName": "apps", "spec": {}, **ACTIVE}}
SERVICE = {"virtualService": {"meshName": "apps", "virtualServiceName": "b.apps.local", "spec": {}, **ACTIVE}}


def read(*paths):
    return read_files(list(paths), Given())


def test_a_folder_of_descriptions_is_read_in_the_order_of_names(tmp_path):
    (tmp_path / "nodes").mkdir()
    (tmp_path / "nodes" / "b.json").write_text(json.dumps(SERVICE))
    (tmp_path / "mesh.json").write_text(json.dumps(MESH))
    (tmp_path / "notes.txt").write_text("not looked at")
    assert [(item.kind.name, item.path) for item in read(tmp_path)] == [
        ("mesh", ""),
        ("virtualService", "virtualService/b.apps.local"),
    ]


def test_one_file_may_hold_several_descriptions_as_a_loop_writes_them(tmp_path):
    file = tmp_path / "all.json"
    file.write_text(json.dumps(MESH) + "\n" + json.dumps(SERVICE, indent=2) + "\n")
    assert len(read(file)) == 2


def test_yaml_output_of_the_cli_is_read_too(tmp_path):
    file = tmp_path / "mesh.yaml"
    file.write_text("mesh:\n  meshName: apps\n  metadata: {createdAt: 2024-01-01T00:00:00+00:00}\n  spec: {}\n")
    assert read(file)[0].names == {"meshName": "apps"}


def test_tags_beside_a_description_are_imported_but_not_those_of_aws(tmp_path):
    file = tmp_path / "mesh.json"
    tags = [{"key": "team", "value": "shop"}, {"key": "aws:cloudformation:stack-name", "value": "apps"}]
    file.write_text(json.dumps({**MESH, "tags": tags}))
    assert read(file)[0].tags == {"team": "shop"}


def described(**changes):
    return {"virtualService": {**SERVICE["virtualService"], **changes}}


REFUSED = [
    (described(status={"status": "DELETED"}), "it was deleted: its status is DELETED"),
    (described(spec={"provider": {}}), "spec.provider must hold exactly one of virtualNode, virtualRouter, not 0"),
    (described(spec={"Provider": {}}), "spec.'Provider' is not known; known are provider"),
    (described(colour="red"), "'colour' is not known; known are "),
    (described(virtualServiceName="a/b"), "virtualServiceName is 'a/b'; a name holds 1 to 255 letters"),
    ({**SERVICE, "tags": "team"}, "tags must be a list, not a string"),
    ({"virtualNode": {"meshName": "apps", "spec": {}}}, "virtualNodeName is required"),
]


@pytest.mark.parametrize(("document", "reason"), REFUSED, ids=lambda value: str(value)[-50:])
def test_a_description_that_breaks_the_apis_rules_is_refused(tmp_path, document, reason):
    file = tmp_path / "service.json"
    file.write_text(json.dumps(document))
    (found,) = read(file)
    assert isinstance(found, Refusal)
    assert found.reasons[0].startswith(reason)


BAD = [
    ("{", "is neither JSON nor YAML"),
    ("a: b: c", "is neither JSON nor YAML"),
    ("hello", "is neither a CloudFormation template"),
    ("[]", "is neither a CloudFormation template"),
    ('{"virtualNodes": []}', "is neither a CloudFormation template"),
    ('{"mesh": []}', "is neither a CloudFormation template"),
    ('{"Resources": []}\n{"Resources": 5}', "Resources is no object"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_a_file_that_cannot_be_understood_is_bad_input(tmp_path, text, message):
    file = tmp_path / "mesh.json"
    file.write_text(text)
    with pytest.raises(BadInput, match=message):
        read(file)


def test_a_file_that_is_not_there_is_bad_input(tmp_path):
    with pytest.raises(BadInput, match=r"none.yaml cannot be read: No such file"):
        read(tmp_path / "none.yaml")
    with pytest.raises(BadInput, match="holds no file that ends in"):
        read(tmp_path)


def test_resources_know_what_they_need(tmp_path):
    file = tmp_path / "service.json"
    file.write_text(json.dumps(described(spec={"provider": {"virtualRouter": {"virtualRouterName": "r"}}})))
    (found,) = read(file)
    assert isinstance(found, Resource)
    assert [key.path for key in found.needs] == ["", "virtualRouter/r"]
