"""boto3's clients: made on first use, one of each, with standard retries (backoff with jitter) and short time-outs."""

from functools import cache
from typing import Any

import boto3
from botocore.config import Config

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
