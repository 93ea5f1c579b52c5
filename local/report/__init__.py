"""The report of the demo, a page and a picture of a timeline: `python -m local.report build/demo/timeline.json`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.report import page, picture
from local.report.timeline import read

MESH, CALLER, SERVICE = "apps", "serviceA", "serviceb.apps.local"


def write(document: Mapping[str, Any], folder: Path) -> tuple[Path, Path]:
    """Write a timeline document (see `timeline`) as `report.html` and `rollout.png`; returns their paths."""
    timeline = read(document)
    html, png = folder / "report.html", folder / "rollout.png"
    folder.mkdir(parents=True, exist_ok=True)
    html.write_text(page.draw(timeline, MESH, CALLER, SERVICE), encoding="utf-8")
    picture.write(timeline, png, SERVICE)
    return html, png


def keep(document: Mapping[str, Any], folder: Path) -> tuple[Path, Path]:
    """Write a timeline document as `timeline.json`, and draw it beside that."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "timeline.json").write_text(json.dumps(document, indent=1), encoding="utf-8")
    return write(document, folder)
