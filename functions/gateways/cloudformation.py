"""CloudFormation: the answer to a custom resource's request."""

import json
import urllib.request
from collections.abc import Mapping
from typing import Any


def respond(event: Mapping[str, Any], physical_id: str, failure: str = "") -> None:
    """Say how a request ended; `failure` is empty when all is well.

    Source: CloudFormation user guide, "Custom resource response objects".
    """
    answer = {
        "Status": "FAILED" if failure else "SUCCESS",
        "Reason": failure[:1000],
        "PhysicalResourceId": physical_id,
        **{key: event[key] for key in ("StackId", "RequestId", "LogicalResourceId")},
    }
    # The URL is presigned by CloudFormation for a body without a content type.
    request = urllib.request.Request(  # noqa: S310 - CloudFormation's own URL
        event["ResponseURL"], json.dumps(answer).encode(), {"Content-Type": ""}, method="PUT"
    )
    with urllib.request.urlopen(request, timeout=10):  # noqa: S310
        return
