"""What the stack's parameters say, read off the stack or given one by one, in the form that the functions get them."""

from collections.abc import Mapping
from typing import Any

from gateways.clients import client
from meshift_inject.errors import BadInput
from settings import Settings

PARAMETERS = {
    "ControlPlane": "CONTROL_PLANE",
    "EnvoyImage": "ENVOY_IMAGE",
    "Interception": "INTERCEPTION",
    "MetricsSidecar": "METRICS_SIDECAR",
    "TracingSidecar": "TRACING_SIDECAR",
    "DiscoveryEndpoint": "DISCOVERY_ENDPOINT",
    "DiscoveryPollSeconds": "DISCOVERY_POLL_SECONDS",
    "MeshSigningName": "MESH_SIGNING_NAME",
    "MeshApiEndpoint": "MESH_ENDPOINT",
    "AppMeshEndpoint": "MESH_ENDPOINT",
}
"""Stack parameters that say what a sidecar is or where its mesh is, and the variables that functions know them by."""


def read_settings(stack: str | None, given: Mapping[str, str], region: str) -> Settings:
    """Make the functions' settings of a stack's parameters, those given here first."""
    unknown = sorted(set(given) - set(PARAMETERS))
    if unknown:
        raise BadInput(f"--set {unknown[0]}: no such parameter; known are {', '.join(PARAMETERS)}")
    parameters, outputs = _stack(stack) if stack else ({}, {})
    known = {"ControlPlane": "hosted", **{name: parameters[name] for name in PARAMETERS if name in parameters}, **given}
    hosted = known["ControlPlane"] == "hosted"
    known.pop("AppMeshEndpoint" if hosted else "MeshApiEndpoint", None)
    env = {PARAMETERS[name]: value for name, value in known.items()}
    if hosted:
        env["MESH_ENDPOINT"] = env.get("MESH_ENDPOINT") or outputs.get("MeshApiUrl", "")
        env["MESH_SIGNING_NAME"] = env.get("MESH_SIGNING_NAME") or "lambda"
        env["DISCOVERY_ENDPOINT"] = env.get("DISCOVERY_ENDPOINT") or outputs.get("DiscoveryUrl", "")
    else:
        env.pop("MESH_SIGNING_NAME", None)
    try:
        return Settings.from_env({**env, "AWS_REGION": region})
    except ValueError as error:
        raise BadInput(f"DiscoveryPollSeconds: {known['DiscoveryPollSeconds']!r} is not a number of seconds") from error


def _stack(name: str) -> tuple[dict[str, str], dict[str, str]]:
    found: dict[str, Any] = client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    parameters = {each["ParameterKey"]: each.get("ParameterValue", "") for each in found.get("Parameters", [])}
    if "ControlPlane" not in parameters:
        raise BadInput(f"--stack {name}: that stack is not Meshift's, it has no parameter ControlPlane")
    return parameters, {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])}
