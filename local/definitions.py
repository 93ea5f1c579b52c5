"""State machine definitions in YAML: CloudFormation takes them from S3, the emulator knows JSON only."""

import json
from typing import Any

import yaml
from ministack.services.cloudformation import provisioners

from local.patching import replace


def install() -> None:
    """Hand the emulator every definition as JSON."""

    def as_json(props: dict[str, Any]) -> str:
        return json.dumps(yaml.safe_load(original(props)))  # JSON is YAML too

    original = replace(provisioners, "_sfn_definition", as_json, "props")
