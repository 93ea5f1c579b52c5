"""What the stack tells its functions, read in one place."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from domain.errors import InvalidSetting

if TYPE_CHECKING:
    from domain.sharing import Trust
    from domain.sidecar import SidecarSettings

_ACCOUNT = re.compile(r"[0-9]{12}")
_ORGANIZATION = re.compile(r"o-[a-z0-9]{10,32}")
_VPC = re.compile(r"vpc-([0-9a-z]{8}|[0-9a-z]{17})")


@dataclass(frozen=True)
class Settings:
    """A function's environment, understood; parameters that a function is not given are empty."""

    region: str
    mesh_endpoint: str | None
    """Where App Mesh's API is served; None for AWS's own."""
    mesh_signing_name: str | None
    """What requests to it are signed for; None for App Mesh's own name."""
    hosted: bool
    envoy_image: str | None
    discovery_endpoint: str | None
    discovery_poll_seconds: int
    interception: str
    metrics_sidecar: bool
    tracing_sidecar: bool
    task_role_policy: str
    task_role_path: str
    envoy_policy_arn: str
    """The managed policy that is attached to task roles; empty when none is to be."""
    discover_function_arn: str
    """The stack's own discovery function; empty when a DiscoveryEndpoint of somebody else serves it."""
    compress_polls: bool
    rollout_table: str
    topic_arn: str
    state_machine_arn: str
    dead_letter_queue_url: str
    trusted_accounts: frozenset[str]
    trusted_organization: str | None
    share_resource_types: frozenset[str]
    share_sweep_minutes: int
    service_network_vpcs: tuple[str, ...]
    """VPCs of this account that are associated with service networks of VPC Lattice that come in a share."""
    shared_functions: tuple[str, ...]
    """Names of the functions by whose URLs a hosted mesh is reached."""
    aws_endpoint: str | None
    """Where all of AWS is, by the SDKs' own variable, which no template sets; None for where it really is."""

    @property
    def trust(self) -> "Trust":
        """Whom they say to trust, and where the stack is."""
        from domain.sharing import Trust

        account, types = self.state_machine_arn.split(":")[4], self.share_resource_types
        return Trust(self.trusted_accounts, self.trusted_organization, types, self.partition, self.region, account)

    @property
    def partition(self) -> str:
        """The AWS partition of the Region, for ARNs."""
        return _partition(self.region)

    @property
    def sidecar(self) -> "SidecarSettings":
        """What they say of every sidecar."""
        from domain.sidecar import SidecarSettings  # here: functions that Envoys wait for read settings too

        return SidecarSettings(
            region=self.region,
            hosted=self.hosted,
            envoy_image=self.envoy_image,
            interception=self.interception,
            metrics=self.metrics_sidecar,
            tracing=self.tracing_sidecar,
            discovery_endpoint=self.discovery_endpoint,
            discovery_poll_seconds=self.discovery_poll_seconds,
            signing_name=self.mesh_signing_name or "lambda",
            compress_polls=self.compress_polls,
        )

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Settings":
        """Read the environment of a function.

        Raises InvalidSetting, naming the stack parameter.
        """
        trusted = _listed(env, "TRUSTED_ACCOUNTS")
        for account in trusted:
            if not _ACCOUNT.fullmatch(account):
                raise InvalidSetting(f"TrustedAccounts: {account!r} is not an account id of 12 digits")
        organization = env.get("TRUSTED_ORGANIZATION", "").strip() or None
        if organization is not None and not _ORGANIZATION.fullmatch(organization):
            raise InvalidSetting(f"TrustedOrganization: {organization!r} is not an organization's id, o-…")
        vpcs = tuple(dict.fromkeys(_listed(env, "SERVICE_NETWORK_VPCS")))
        for vpc in vpcs:
            if not _VPC.fullmatch(vpc):
                raise InvalidSetting(f"ServiceNetworkVpcs: {vpc!r} is not the id of a VPC, vpc-…")
        return cls(
            region=env["AWS_REGION"],
            mesh_endpoint=env.get("MESH_ENDPOINT") or None,
            mesh_signing_name=env.get("MESH_SIGNING_NAME") or None,
            hosted=env.get("CONTROL_PLANE") == "hosted",
            envoy_image=env.get("ENVOY_IMAGE") or None,
            discovery_endpoint=env.get("DISCOVERY_ENDPOINT") or None,
            discovery_poll_seconds=int(env.get("DISCOVERY_POLL_SECONDS", "5")),
            interception=env.get("INTERCEPTION") or "transparent",
            metrics_sidecar=env.get("METRICS_SIDECAR") == "true",
            tracing_sidecar=env.get("TRACING_SIDECAR") == "true",
            task_role_policy=env.get("TASK_ROLE_POLICY") or "off",
            task_role_path=env.get("TASK_ROLE_PATH", ""),
            envoy_policy_arn=env.get("ENVOY_POLICY_ARN", ""),
            discover_function_arn=env.get("DISCOVER_FUNCTION_ARN", ""),
            compress_polls=env.get("COMPRESS_POLLS") == "true",
            rollout_table=env.get("ROLLOUT_TABLE", ""),
            topic_arn=env.get("TOPIC_ARN", ""),
            state_machine_arn=env.get("STATE_MACHINE_ARN", ""),
            dead_letter_queue_url=env.get("DEAD_LETTER_QUEUE_URL", ""),
            trusted_accounts=frozenset(trusted),
            trusted_organization=organization,
            share_resource_types=frozenset(_listed(env, "SHARE_RESOURCE_TYPES")),
            share_sweep_minutes=int(env.get("SHARE_SWEEP_MINUTES", "60")),
            service_network_vpcs=vpcs,
            shared_functions=tuple(_listed(env, "SHARED_FUNCTIONS")),
            aws_endpoint=env.get("AWS_ENDPOINT_URL") or None,
        )


@dataclass(frozen=True)
class MeshApiSettings:
    """What `mesh_api` is told. Without `api_url` it is the URL that a request came by: a Function URL is not known
    to its own function when it is deployed.
    """

    region: str
    table: str
    api_url: str
    discovery_url: str
    signing_name: str
    discover_function_arn: str = ""
    """For cards: what other accounts' task roles must be allowed to call."""

    @property
    def partition(self) -> str:
        """The AWS partition of the Region, for ARNs."""
        return _partition(self.region)

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "MeshApiSettings":
        """Read the environment of the function."""
        return cls(
            region=env["AWS_REGION"],
            table=env["MESH_TABLE"],
            api_url=env.get("MESH_API_URL", ""),
            discovery_url=env.get("DISCOVERY_URL", ""),
            signing_name=env.get("MESH_SIGNING_NAME") or "lambda",
            discover_function_arn=env.get("DISCOVER_FUNCTION_ARN", ""),
        )


@dataclass(frozen=True)
class DiscoverSettings:
    """What `discover` is told."""

    region: str
    table: str

    @property
    def partition(self) -> str:
        """The AWS partition of the Region, for ARNs."""
        return _partition(self.region)

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "DiscoverSettings":
        """Read the environment of the function."""
        return cls(region=env["AWS_REGION"], table=env["MESH_TABLE"])


def _partition(region: str) -> str:
    return "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"


def _listed(env: Mapping[str, str], name: str) -> list[str]:
    return [item.strip() for item in env.get(name, "").split(",") if item.strip()]
