"""Access logs."""

from collections.abc import Mapping
from typing import Any

from domain.access_log_formats import check_format
from domain.discovery.xds import Resource, extension

Spec = Mapping[str, Any]


def access_log(spec: Spec) -> list[Resource]:
    """Write the access log of a node or gateway: to a file, as text or JSON, else (or where that makes no sense) in
    Envoy's own format.
    """
    file = spec.get("logging", {}).get("accessLog", {}).get("file")
    if not file:
        return []
    form = file.get("format", {})
    settings: Resource = {"path": file["path"]}
    if format_fault(spec):
        form = {}
    if "text" in form:
        settings["log_format"] = {"text_format_source": {"inline_string": form["text"]}}
    if "json" in form:
        settings["log_format"] = {"json_format": {each["key"]: each["value"] for each in form["json"]}}
    return [extension("envoy.access_loggers.file", "access_loggers.file.v3.FileAccessLog", **settings)]


def format_fault(spec: Spec) -> str | None:
    """Say what is wrong with the format of an access log, or None."""
    form = spec.get("logging", {}).get("accessLog", {}).get("file", {}).get("format", {})
    texts = [form["text"]] if "text" in form else [each["value"] for each in form.get("json", ())]
    wrong = next((wrong for wrong in map(check_format, texts) if wrong), None)
    return f"spec.logging.accessLog.file.format: {wrong}" if wrong else None
