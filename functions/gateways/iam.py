"""IAM: what a role may do, and a policy attached to it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from domain.errors import NotFound, Unanswered
from gateways.clients import client, error_code

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient


def _iam() -> "IAMClient":
    iam: IAMClient = client("iam")
    return iam


def simulate(role_arn: str, question: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the EvaluationResults of SimulatePrincipalPolicy.

    Raises NotFound when there is no such role, Unanswered when IAM gives no answer.
    """
    try:
        pages = _iam().get_paginator("simulate_principal_policy").paginate(PolicySourceArn=role_arn, **question)
        return [dict(result) for page in pages for result in page["EvaluationResults"]]
    except (ClientError, BotoCoreError) as error:
        raise _translated(error) from error


def attach_policy(role_name: str, policy_arn: str) -> None:
    """Attach a managed policy to a role; twice is harmless.

    Raises NotFound when there is no such role, Unanswered when IAM does not do it.
    """
    try:
        _iam().attach_role_policy(RoleName=role_name, PolicyArn=policy_arn)
    except (ClientError, BotoCoreError) as error:
        raise _translated(error) from error


def _translated(error: Exception) -> Exception:
    return NotFound(str(error)) if error_code(error) == "NoSuchEntity" else Unanswered(str(error))
