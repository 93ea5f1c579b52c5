"""What goes back over HTTP, in the shape that a Function URL expects, and what a mesh card says."""

import json
from typing import Any

from domain.hosted.errors import ApiError
from domain.hosted.kinds import MeshKey
from domain.hosted.state import Answer

JSON = {"content-type": "application/json"}


def response(answer: Answer, request_id: str) -> dict[str, Any]:
    """Write an answer; `ETag` is the resource's version, for `If-Match`."""
    headers = {**JSON, "x-amzn-requestid": request_id}
    if answer.version is not None:
        headers["etag"] = f'"{answer.version}"'
    return {"statusCode": 200, "headers": headers, "body": json.dumps(answer.body)}


def error_response(error: ApiError, request_id: str) -> dict[str, Any]:
    """Write an error as botocore's rest-json parser reads it."""
    headers = {**JSON, "x-amzn-requestid": request_id, "x-amzn-errortype": error.code}
    return {"statusCode": error.status, "headers": headers, "body": json.dumps({"message": error.message})}


def mesh_card(
    mesh: MeshKey, region: str, api_url: str, discovery_url: str, signing_name: str, function: str = ""
) -> dict[str, Any]:
    """Say where a mesh is found, and by which name requests to it are signed.

    `function`: ARN of the one behind the discovery's URL, which an Envoy's role must be allowed to call.
    """
    called = {"function": function} if function and signing_name == "lambda" else {}
    return {
        "mesh": mesh.name,
        "owner": mesh.owner,
        "region": region,
        "api": {"endpoint": api_url, "signingName": signing_name},
        "discovery": {"endpoint": discovery_url, "signingName": signing_name, **called},
    }
