"""State machine definitions in YAML: CloudFormation takes them from S3, the emulator knows JSON only.

Nor does it know JSONata in a Distributed Map: there the same child machine runs inline.
"""

import json
from typing import Any

import yaml
from ministack.services.cloudformation import provisioners

from local.patching import replace


def install() -> None:
    """Hand the emulator every definition as JSON, as far as it knows what is in it."""

    def as_json(props: dict[str, Any]) -> str:
        return json.dumps(inline(yaml.safe_load(original(props))))  # JSON is YAML too

    original = replace(provisioners, "_sfn_definition", as_json, "props")


def inline(definition: dict[str, Any]) -> dict[str, Any]:
    """Let a definition's Distributed Maps run their child machines inline; everything else stays."""
    return {**definition, "States": {name: _inline(state) for name, state in definition["States"].items()}}


def _inline(state: dict[str, Any]) -> dict[str, Any]:
    if state["Type"] != "Map" or state["ItemProcessor"]["ProcessorConfig"]["Mode"] != "DISTRIBUTED":
        return state
    kept = {key: value for key, value in state.items() if key != "ToleratedFailurePercentage"}
    return {**kept, "ItemProcessor": {**state["ItemProcessor"], "ProcessorConfig": {"Mode": "INLINE"}}}
