"""boto3's clients: made on first use, one of each, with standard retries (backoff with jitter) and short time-outs."""

from collections.abc import Callable
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from domain.errors import Busy

P = ParamSpec("P")
R = TypeVar("R")

CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 3},
    connect_timeout=3,
    read_timeout=10,
    user_agent_extra="meshift",
)


@cache
def client(service: str, endpoint: str | None = None) -> Any:
    """Return the one client of a service in the function's own Region."""
    return boto3.client(service, endpoint_url=endpoint, config=CONFIG)  # type: ignore[call-overload]


def error_code(error: Exception) -> str:
    """Return the error code of a ClientError."""
    response: dict[str, Any] = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Code", ""))


def or_busy(call: Callable[P, R]) -> Callable[P, R]:
    """Let a call raise Busy when AWS throttles it: all callers of an account share its few calls a second."""

    @wraps(call)
    def patient(*args: P.args, **more: P.kwargs) -> R:
        try:
            return call(*args, **more)
        except ClientError as error:
            if error_code(error) in ("ThrottlingException", "Throttling"):
                raise Busy(f"AWS throttles: {error}") from error
            raise

    return patient
