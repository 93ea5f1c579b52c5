"""What the stack is and says: its parameters and outputs, in the form in which its functions get them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

from botocore.exceptions import ClientError

from gateways.clients import client
from gateways.mesh import Mesh
from meshift.errors import BadInput, Failed
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
OF_EVERY_STACK = {"RolloutTable": "ROLLOUT_TABLE", "RolloutStateMachineArn": "STATE_MACHINE_ARN"}


@dataclass(frozen=True)
class Stack:
    """Meshift's stack."""

    name: str
    status: str
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]

    def output(self, name: str) -> str:
        """Return an output. Raises Failed without it."""
        if not self.outputs.get(name):
            raise Failed(f"stack {self.name} ({self.status}) has no output {name}; is it whole? meshift doctor says")
        return self.outputs[name]

    @property
    def account(self) -> str:
        """Return the account that it is in. Raises Failed when it is not whole."""
        return self.output("RolloutStateMachineArn").split(":")[4]

    @property
    def settings(self) -> Settings:
        """Return what it tells its functions."""
        return settings_of({**self.parameters, **self.outputs})


def read_stack(name: str) -> Stack:
    """Read a stack. Raises Failed when there is none, BadInput when it is not Meshift's."""
    api = client("cloudformation")
    try:
        found = api.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":
            raise
        said = error.response["Error"]["Message"]
        raise Failed(
            f"there is no stack {name} in {api.meta.region_name}; give --stack or --region ({said})"
        ) from error
    parameters = {each["ParameterKey"]: each.get("ParameterValue", "") for each in found.get("Parameters", [])}
    if "ControlPlane" not in parameters:
        raise BadInput(f"--stack {name}: that stack is not Meshift's, it has no parameter ControlPlane")
    outputs = {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])}
    return Stack(name, found["StackStatus"], parameters, outputs)


def settings_of(known: Mapping[str, str], region: str | None = None) -> Settings:
    """Make the functions' settings of a stack's parameters and outputs."""
    region = region or client("cloudformation").meta.region_name
    known = {"ControlPlane": "hosted", **known}
    hosted = known["ControlPlane"] == "hosted"
    for name in ["AppMeshEndpoint"] if hosted else ["MeshSigningName", *OUTPUTS]:
        known.pop(name, None)
    names = {**PARAMETERS, **OUTPUTS, **OF_EVERY_STACK}
    env = {names[name]: value for name, value in known.items() if name in names}
    if hosted:
        env["MESH_SIGNING_NAME"] = env.get("MESH_SIGNING_NAME") or "lambda"
    try:
        return Settings.from_env({**env, "AWS_REGION": region})
    except ValueError as error:
        raise BadInput(f"DiscoveryPollSeconds: {known['DiscoveryPollSeconds']!r} is not a number of seconds") from error


def mesh_of(settings: Settings, mesh: str) -> Mesh:
    """Return a mesh (NAME or NAME@OWNER) where AWS's usual variable says that its API is, else where the stack says."""
    name, _, owner = mesh.partition("@")
    endpoint = os.environ.get("AWS_ENDPOINT_URL_APP_MESH") or settings.mesh_endpoint
    return Mesh.of({"mesh": name, "meshOwner": owner or None}, replace(settings, mesh_endpoint=endpoint))
