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
    "DiscoveryPollSeconds": "DISCOVERY_POLL_SECONDS",
    "CompressPolls": "COMPRESS_POLLS",
    "MeshSigningName": "MESH_SIGNING_NAME",
    "AppMeshEndpoint": "MESH_ENDPOINT",
}
"""Stack parameters that say what a sidecar is or where its mesh is, and the variables that functions know them by."""
OUTPUTS = {"MeshApiUrl": "MESH_ENDPOINT", "DiscoveryUrl": "DISCOVERY_ENDPOINT"}
"""The same for outputs of a stack that hosts the mesh."""


def read_settings(stack: str | None, given: Mapping[str, str], region: str) -> Settings:
    """Make the functions' settings of a stack's parameters and outputs, those given here first."""
    names = {**PARAMETERS, **OUTPUTS}
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise BadInput(f"--set {unknown[0]}: no such parameter or output; known are {', '.join(names)}")
    known = {"ControlPlane": "hosted", **(_stack(stack) if stack else {}), **given}
    hosted = known["ControlPlane"] == "hosted"
    for name in ["AppMeshEndpoint"] if hosted else ["MeshSigningName", *OUTPUTS]:
        known.pop(name, None)
    env = {names[name]: value for name, value in known.items() if name in names}
    if hosted:
        env["MESH_SIGNING_NAME"] = env.get("MESH_SIGNING_NAME") or "lambda"
    try:
        return Settings.from_env({**env, "AWS_REGION": region})
    except ValueError as error:
        raise BadInput(f"DiscoveryPollSeconds: {known['DiscoveryPollSeconds']!r} is not a number of seconds") from error


def _stack(name: str) -> dict[str, str]:
    found: dict[str, Any] = client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    parameters = {each["ParameterKey"]: each.get("ParameterValue", "") for each in found.get("Parameters", [])}
    if "ControlPlane" not in parameters:
        raise BadInput(f"--stack {name}: that stack is not Meshift's, it has no parameter ControlPlane")
    return parameters | {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])}
