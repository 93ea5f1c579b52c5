"""Access logs."""

from collections.abc import Mapping
from typing import Any

from domain.discovery.xds import Resource, extension

Spec = Mapping[str, Any]


def access_log(spec: Spec) -> list[Resource]:
    """Write the access log of a node or gateway: to a file, as text or JSON, else in Envoy's own format."""
    file = spec.get("logging", {}).get("accessLog", {}).get("file")
    if not file:
        return []
    form = file.get("format", {})
    settings: Resource = {"path": file["path"]}
    if "text" in form:
        settings["log_format"] = {"text_format_source": {"inline_string": form["text"]}}
    if "json" in form:
        settings["log_format"] = {"json_format": {each["key"]: each["value"] for each in form["json"]}}
    return [extension("envoy.access_loggers.file", "access_loggers.file.v3.FileAccessLog", **settings)]
