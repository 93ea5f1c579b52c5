"""ARNs of Amazon ECS services, in every partition, long and short."""

import re
from dataclasses import dataclass

from domain.errors import InvalidEvent

_SERVICE = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):ecs:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):"
    r"service/(?:(?P<cluster>[^/]+)/)?(?P<name>[^/]+)"
)


@dataclass(frozen=True)
class ServiceArn:
    """An ECS service's ARN, taken apart."""

    text: str
    partition: str
    region: str
    account: str
    cluster: str | None
    """None in the short form of before 2018 (`service/NAME`); such services cannot carry tags."""
    name: str


def parse_service_arn(text: str) -> ServiceArn:
    """Take a service's ARN apart.

    >>> parse_service_arn("arn:aws:ecs:us-west-2:111122223333:service/default/web").cluster
    'default'
    >>> parse_service_arn("arn:aws-cn:ecs:cn-north-1:111122223333:service/web").cluster is None
    True

    Raises InvalidEvent when it is none.
    """
    match = _SERVICE.fullmatch(text)
    if match is None:
        raise InvalidEvent(
            f"{text!r} is not the ARN of an ECS service (arn:aws:ecs:REGION:ACCOUNT:service/CLUSTER/NAME)"
        )
    return ServiceArn(text=text, **match.groupdict())
