"""Function URLs that can be reached: the emulator hands out AWS's own domain, and answers on a path of its port."""

import os
from typing import Any
from urllib.parse import urlsplit

from ministack.services.cloudformation import provisioners

from local.patching import replace


def install() -> None:
    """Let CloudFormation's `FunctionUrl` attribute be the path under which the emulator answers.

    Envoy polls below no path: for `discover` it is the root, and local/discovery.py knows the way on.
    """

    def reachable(config: dict[str, Any]) -> dict[str, Any]:
        attributes = original(config)
        if "DiscoverFunction" in config["FunctionArn"]:
            return {**attributes, "FunctionUrl": f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}/"}
        identifier = str(urlsplit(attributes["FunctionUrl"]).hostname).partition(".")[0]
        url = f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}/_aws/lambda-url/{identifier}/"
        return {**attributes, "FunctionUrl": url}

    original = replace(provisioners, "_lambda_url_attributes", reachable, "config")
