"""What an upgrade changes: two task definitions in, the settings that differ out, each by its path."""

import json
from collections.abc import Mapping
from typing import Any

_LONGEST = 80
_MOST = 8


def told(before: Any, after: Any) -> str:
    """Say what differs, in one line.

    >>> told({"cpu": "256", "containers": [{"name": "envoy", "image": "envoy:1"}]},
    ...      {"cpu": "512", "containers": [{"name": "envoy", "image": "envoy:2"}]})
    'containers.envoy.image: envoy:1 → envoy:2; cpu: 256 → 512'
    """
    found = changes(before, after)
    more = [f"and {len(found) - _MOST} more"] if len(found) > _MOST else []
    return "; ".join(found[:_MOST] + more)


def changes(before: Any, after: Any, path: str = "") -> list[str]:
    """List what differs in two JSON documents; lists are told apart by their items' names, texts that are JSON read."""
    before, after = _readable(before), _readable(after)
    if before == after:
        return []
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        found = []
        for key in sorted(before.keys() | after.keys(), key=str):
            where = f"{path}.{key}" if path else str(key)
            if key not in before or key not in after:
                found.append(f"{where} is {'added' if key in after else 'removed'}")
            else:
                found += changes(before[key], after[key], where)
        return found
    texts = _short(before), _short(after)
    return [f"{path}: {texts[0]} → {texts[1]}" if texts[0] and texts[1] else f"{path} changes"]


def _readable(value: Any) -> Any:
    """Turn a list into a mapping by name or place, and a text that holds a JSON object into that object."""
    if isinstance(value, list):
        names = [_name(each) for each in value]
        unique = all(names) and len(set(names)) == len(names)
        return dict(zip(names, value, strict=True)) if unique else dict(enumerate(value))
    if isinstance(value, str) and value.startswith("{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _name(item: Any) -> str:
    return str(item.get("name") or item.get("containerName") or "") if isinstance(item, Mapping) else ""


def _short(value: Any) -> str:
    text = "" if isinstance(value, Mapping) else str(value)
    return text if len(text) <= _LONGEST else ""
