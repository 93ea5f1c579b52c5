"""Where a task definition comes from: a file, standard input, or ECS."""

import json
import re
from pathlib import Path
from typing import Any, TextIO

from gateways import ecs
from meshift.errors import BadInput

_IN_ECS = re.compile(r"arn:aws[a-z-]*:ecs:[a-z0-9-]+:\d{12}:task-definition/\S+|[A-Za-z0-9_-]{1,255}(:\d+)?")


def read_task_definition(source: str, stdin: TextIO) -> dict[str, Any]:
    """Read a task definition, its tags in it, as RegisterTaskDefinition takes them.

    Files hold what `aws ecs register-task-definition` takes or what `aws ecs describe-task-definition` prints. What
    is neither is BadInput.
    """
    if source == "-":
        return _parsed(stdin.read(), "standard input")
    path = Path(source)
    if not path.exists() and _IN_ECS.fullmatch(source):
        task_definition, tags = ecs.describe_task_definition(source)
        return _tagged(task_definition, [{"key": key, "value": value} for key, value in tags.items()])
    try:
        return _parsed(path.read_text(encoding="utf-8-sig"), source)
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{source} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _parsed(text: str, origin: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{origin} is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise BadInput(f"{origin} is no task definition but a JSON {type(document).__name__}")
    described = document.get("taskDefinition")
    return _tagged(described, document.get("tags")) if isinstance(described, dict) else document


def _tagged(task_definition: dict[str, Any], tags: Any) -> dict[str, Any]:
    """AWS sets its own tags (`aws:…`) by itself, and takes them from nobody."""
    own = [tag for tag in tags or [] if not str(tag.get("key", "")).lower().startswith("aws:")]
    return {**task_definition, "tags": own} if own else task_definition
