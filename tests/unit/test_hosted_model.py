"""The copies of App Mesh's model: they are what the installed botocore holds, and clients sign for Lambda."""

import json

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.hosted.errors import STATUS
from domain.hosted.kinds import OPERATIONS
from domain.hosted.model import model
from domain.hosted.requests import routed
from domain.hosted.shapes import checked, shown
from domain.hosted.tasks import TAG_VERBS
from tests.app_mesh_fuzz import values
from tools.compile_app_mesh_model import (
    API_VERSION,
    COMPILED,
    DATA_PATH,
    compiled,
    installed_model,
    minified,
    signing_model,
    without_documentation,
)

BOTOCORE = ServiceModel(installed_model())


def test_the_compiled_model_is_what_the_installed_botocore_compiles_to():
    assert COMPILED.read_text() == minified(compiled(installed_model()))


def test_the_clients_copy_is_the_installed_model_but_for_the_signing_name():
    copy = json.loads((DATA_PATH / "appmesh" / API_VERSION / "service-2.json").read_text())
    assert copy == signing_model(installed_model())
    copy["metadata"]["signingName"] = "appmesh"
    assert copy == without_documentation(installed_model())


def test_every_operation_is_one_of_a_kind_or_of_tags():
    assert set(OPERATIONS) | set(TAG_VERBS) == set(model()["operations"])
    assert len(model()["operations"]) == 38


def test_every_operation_is_found_by_its_method_and_path():
    for name, operation in model()["operations"].items():
        path = "/" + "/".join("some%2Ename" if part.startswith("{") else part for part in operation["path"])
        found, params = routed(operation["method"], path)
        assert found == name
        assert set(params.values()) <= {"some.name"}


def test_the_errors_have_the_models_status_codes():
    assert model()["errors"].items() <= STATUS.items()


@pytest.fixture
def client(monkeypatch):
    """A boto3 client that takes the model from the project's folder."""
    monkeypatch.setenv("AWS_DATA_PATH", str(DATA_PATH))
    session = boto3.Session("AKIAEXAMPLE", "secret", region_name="us-east-1")
    return session.client("appmesh", endpoint_url="https://meshurl.lambda-url.us-east-1.on.aws")


def test_a_client_with_the_data_path_signs_for_lambda(client):
    signed = []

    def send(request, **_):
        signed.append(request.headers["Authorization"].decode())
        return AWSResponse(request.url, 200, {}, type("Raw", (), {"stream": lambda self, **_: [b"{}"]})())

    client.meta.events.register_first("before-send.app-mesh", send)
    client.list_meshes()
    assert "/us-east-1/lambda/aws4_request," in signed[0]


def test_a_client_with_the_data_path_pages_and_knows_every_operation(client):
    assert len(client.meta.service_model.operation_names) == 38
    assert client.can_paginate("list_virtual_nodes")


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(data=st.data(), kind=st.sampled_from(["RouteSpec", "VirtualNodeSpec", "GatewayRouteSpec", "VirtualGatewaySpec"]))
def test_what_fits_botocores_shape_passes_unchanged(data, kind):
    value = data.draw(values(kind))
    if not ParamValidator().validate(value, BOTOCORE.shape_for(kind)).has_errors():
        assert checked(value, kind, "spec") == value
        assert shown(value, kind) == value
