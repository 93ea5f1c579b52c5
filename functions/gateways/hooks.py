"""The Lambda functions of users that say how a candidate is."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

from domain.checks import Answer
from domain.checks.hook import SECONDS
from domain.errors import NotFound
from gateways.clients import CONFIG, client, error_code

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


@cache
def invoking() -> "LambdaClient":
    """Return the client that invokes: it waits for an answer, and asks once, for asking twice does things twice."""
    patient = Config(read_timeout=SECONDS, retries={"mode": "standard", "total_max_attempts": 1})
    return boto3.client("lambda", config=CONFIG.merge(patient))


def look_up(function: str) -> None:
    """See that a function is there. Raises NotFound when it is not, or not to be seen."""
    try:
        client("lambda").get_function_configuration(FunctionName=function)
    except ClientError as error:
        if error_code(error) in ("ResourceNotFoundException", "AccessDeniedException"):
            raise NotFound(f"{function}: {error_code(error)}") from error
        raise


def ask(questions: Mapping[str, tuple[str, Mapping[str, Any]]]) -> dict[str, Answer]:
    """Invoke functions at the same time: key → name and event; returns key → answer."""
    if not questions:
        return {}
    with ThreadPoolExecutor(len(questions)) as asking:
        answers = asking.map(lambda question: _ask(*question), questions.values())
        return dict(zip(questions, answers, strict=True))


def _ask(function: str, event: Mapping[str, Any]) -> Answer:
    try:
        answer = invoking().invoke(FunctionName=function, Payload=json.dumps(event))
        payload = answer["Payload"].read()
    except ReadTimeoutError:
        return Answer(error=f"gave no answer within {SECONDS} seconds")
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        said = f"could not be invoked: {error}"
        return Answer(unreached=said) if status == 429 or status >= 500 else Answer(error=said)
    except BotoCoreError as error:
        return Answer(unreached=f"could not be reached: {error}")
    try:
        content = json.loads(payload or b"null")
    except ValueError:
        return Answer(error="answered what is not JSON")
    if "FunctionError" not in answer:
        return Answer(content)
    failed = content if isinstance(content, dict) else {}
    return Answer(error=f"failed: {failed.get('errorType', 'Error')}: {failed.get('errorMessage', '')}")
