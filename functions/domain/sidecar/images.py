"""Which image of Envoy is the right one, by control plane and Region.

Source: App Mesh user guide, "Envoy image".
"""

from domain.errors import InvalidSetting

UPSTREAM_IMAGE = "envoyproxy/envoy:v1.40.0"
"""The Ubuntu variant: its health check needs bash, which the distroless one lacks."""
FIPS, PUBLIC = "fips", "public"

_TAG = "v1.34.13.3-prod"
_PUBLIC_REPOSITORY = "public.ecr.aws/appmesh/aws-appmesh-envoy"
_ACCOUNT = "840364872350"
_ACCOUNTS = {
    "me-south-1": "772975370895",
    "ap-east-1": "856666278305",
    "ap-southeast-3": "909464085924",
    "eu-south-1": "422531588944",
    "il-central-1": "564877687649",
    "af-south-1": "924023996002",
    "eu-south-2": "992897592190",
    "eu-central-2": "704106688930",
    "cn-north-1": "919366029133",
    "cn-northwest-1": "919830735681",
}


def choose_image(setting: str | None, region: str, hosted: bool) -> str:
    """Name the image that the stack's parameter EnvoyImage asks for.

    >>> choose_image(None, "us-east-1", hosted=True)
    'envoyproxy/envoy:v1.40.0'
    >>> choose_image("public", "us-east-1", hosted=False)
    'public.ecr.aws/appmesh/aws-appmesh-envoy:v1.34.13.3-prod'
    >>> choose_image("registry.example/envoy:1", "us-east-1", hosted=False)
    'registry.example/envoy:1'

    Raises InvalidSetting when there is none.
    """
    if setting not in (None, FIPS, PUBLIC):
        return str(setting)
    if hosted:
        if setting is not None:
            raise InvalidSetting(
                f"EnvoyImage: {setting!r} is for ControlPlane appmesh; upstream Envoy is published on Docker Hub only, "
                "name a mirror of yours"
            )
        return UPSTREAM_IMAGE
    if setting == PUBLIC:
        return f"{_PUBLIC_REPOSITORY}:{_TAG}"
    return envoy_image(region, fips=setting == FIPS)


def envoy_image(region: str, fips: bool = False) -> str:
    """Name the aws-appmesh-envoy image of a Region.

    >>> envoy_image("us-east-1")
    '840364872350.dkr.ecr.us-east-1.amazonaws.com/aws-appmesh-envoy:v1.34.13.3-prod'
    >>> envoy_image("ca-central-1", fips=True)
    '840364872350.dkr.ecr.ca-central-1.amazonaws.com/aws-appmesh-envoy:v1.34.13.3-prod-fips'

    Raises InvalidSetting where there is none.
    """
    if region.startswith(("us-gov-", "us-iso", "eu-isoe-")):
        raise InvalidSetting(f"EnvoyImage: App Mesh has no image in {region}; name one of yours")
    if fips and not region.startswith(("us-", "ca-")):
        raise InvalidSetting(
            f"EnvoyImage: 'fips' is published in the Regions of the United States and Canada, not in {region}"
        )
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    registry = f"{_ACCOUNTS.get(region, _ACCOUNT)}.dkr.ecr.{region}.{suffix}"
    return f"{registry}/aws-appmesh-envoy:{_TAG}{'-fips' if fips else ''}"
