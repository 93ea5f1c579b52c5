"""The App Mesh API that a mesh is imported into, as the plan and its application see it."""

import os
from collections.abc import Mapping
from functools import partial
from typing import Any

import boto3
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import NoRegionError, ProfileNotFound

from domain.hosted.kinds import Kind, split_path
from meshift.errors import BadInput
from meshift.importing.descriptions import tags_of
from meshift.importing.resources import Key, Resource

ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL_APP_MESH"


def endpoint(option: str | None, environment: Mapping[str, str] = os.environ) -> str:
    """Where to import to: the option, else the variable that boto3 reads too; AWS's own API never."""
    url = option or environment.get(ENDPOINT_VARIABLE)
    if not url:
        raise BadInput(f"no target: give --to URL or set {ENDPOINT_VARIABLE} (the stack's output MeshApiUrl)")
    return url


def connect(url: str | None, signing_name: str, region: str | None, profile: str | None) -> Any:
    """Make a client that signs for `lambda` (a Function URL), `execute-api` or `appmesh`, and is patient.

    Without a URL it is AWS's own. No Region, an unknown profile and what is no URL are BadInput.
    """
    patience = Config(retries={"mode": "standard", "total_max_attempts": 8})
    try:
        session = boto3.Session(profile_name=profile, region_name=region)
        client = session.client("appmesh", endpoint_url=url, config=patience)
    except (ValueError, NoRegionError, ProfileNotFound) as error:
        raise BadInput(str(error)) from error
    client.meta.events.register("before-sign.app-mesh", partial(sign_for, signing_name))
    return client


def sign_for(name: str, request: Any, **_: Any) -> None:
    request.context.setdefault("signing", {}).update(signing_name=name)


class Target:
    """Describe, create, update and tag through a client; what was described is remembered for one run."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.described: dict[Key, dict[str, Any] | None] = {}
        self.expected: int | None = None
        client.meta.events.register("before-call.app-mesh", self.insist)

    def document(self, key: Key) -> dict[str, Any] | None:
        """Describe a resource, or give back None when there is none."""
        if key not in self.described:
            split = split_path(key.path)
            owner = {"meshOwner": key.owner} if key.owner else {}
            try:
                self.described[key] = (
                    self.call("Describe", split[0], {**owner, "meshName": key.mesh, **split[1]}) if split else None
                )
            except self.client.exceptions.NotFoundException:
                self.described[key] = None
        return self.described[key]

    def tags(self, document: Mapping[str, Any]) -> dict[str, str] | None:
        """List the tags of a described resource; None when another account's are not shown."""
        tags = tags_of(self.client, document["metadata"]["arn"])
        return None if tags is None else {tag["key"]: tag["value"] for tag in tags}

    def create(self, resource: Resource) -> None:
        tags = {"tags": listed(resource.tags)} if resource.tags else {}
        self.call("Create", resource.kind, {**resource.names, "spec": resource.spec, **tags})

    def update(self, resource: Resource, version: int) -> None:
        """Replace a spec, if it is still the one that was planned on (the hosted mesh honours `If-Match`)."""
        self.expected = version
        try:
            self.call("Update", resource.kind, {**resource.names, "spec": resource.spec})
        finally:
            self.expected = None

    def tag(self, arn: str, tags: Mapping[str, str]) -> None:
        self.client.tag_resource(resourceArn=arn, tags=listed(tags))

    def call(self, verb: str, kind: Kind, params: Mapping[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = getattr(self.client, xform_name(f"{verb}{kind.title}"))(**params)[kind.name]
        return answer

    def insist(self, params: dict[str, Any], **_: Any) -> None:
        if self.expected is not None:
            params["headers"]["If-Match"] = f'"{self.expected}"'


def listed(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]
