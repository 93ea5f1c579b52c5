"""The custom resource that makes the stack's own mesh: whatever happens, CloudFormation gets an answer."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from botocore.stub import Stubber

from gateways.clients import client
from handlers.make_mesh import handler


@pytest.fixture
def cloudformation():
    """Listen where CloudFormation would; `ask` makes a request's event, `answers` are what was PUT."""
    answers = []

    class Listener(BaseHTTPRequestHandler):
        def do_PUT(self):
            answers.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def ask(request, name="apps"):
        return {
            "RequestType": request,
            "ResponseURL": f"http://127.0.0.1:{server.server_port}/answer",
            "StackId": "stack",
            "RequestId": "request",
            "LogicalResourceId": "OwnMesh",
            "ResourceProperties": {"MeshName": name},
        }

    yield ask, answers
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("request_type", ["Create", "Update"])
def test_the_mesh_is_made(aws, cloudformation, context, request_type):
    ask, answers = cloudformation
    handler(ask(request_type), context)
    assert [mesh["meshName"] for mesh in aws("appmesh").list_meshes()["meshes"]] == ["apps"]
    (answer,) = answers
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "apps")
    assert (answer["StackId"], answer["RequestId"], answer["LogicalResourceId"]) == ("stack", "request", "OwnMesh")


def test_a_deletion_deletes_nothing(aws, cloudformation, context):
    ask, answers = cloudformation
    aws("appmesh").create_mesh(meshName="apps")
    handler(ask("Delete"), context)
    assert len(aws("appmesh").list_meshes()["meshes"]) == 1
    assert answers[0]["Status"] == "SUCCESS"


def test_a_mesh_that_is_there_keeps_its_spec_and_gets_a_new_card(aws, cloudformation, context):
    """App Mesh refuses a taken name; moto's does not, so the answers are given for it."""
    ask, answers = cloudformation
    metadata = {
        "arn": "arn:aws:appmesh:us-east-1:123456789012:mesh/apps", "createdAt": 0, "lastUpdatedAt": 0,
        "meshOwner": "123456789012", "resourceOwner": "123456789012", "uid": "1", "version": 1,
    }  # fmt: skip
    spec = {"egressFilter": {"type": "ALLOW_ALL"}}
    mesh = {"mesh": {"meshName": "apps", "metadata": metadata, "spec": spec, "status": {"status": "ACTIVE"}}}
    with Stubber(client("appmesh", None)) as api:
        api.add_client_error("create_mesh", "ConflictException", expected_params={"meshName": "apps"})
        api.add_response("describe_mesh", mesh, {"meshName": "apps"})
        api.add_response("update_mesh", mesh, {"meshName": "apps", "spec": spec})
        handler(ask("Update"), context)
        api.assert_no_pending_responses()
    assert answers[0]["Status"] == "SUCCESS"


def test_a_failure_is_told_with_its_reason(aws, cloudformation, context, monkeypatch):
    ask, answers = cloudformation
    monkeypatch.setenv("MESH_ENDPOINT", "http://127.0.0.1:9/")
    monkeypatch.setenv("MESH_SIGNING_NAME", "lambda")
    handler(ask("Create"), context)
    assert answers[0]["Status"] == "FAILED"
    assert "mesh apps could not be made" in answers[0]["Reason"]
