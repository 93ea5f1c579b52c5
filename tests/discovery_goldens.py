"""The tutorial's mesh and what its Envoys are told, written down in tests/data/discovery.

`python -m tests.discovery_goldens` writes the files anew; look at the difference before you commit it.
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "functions")]

from domain.discovery.configuration import Instance, Options, cloud_map_queries, configuration  # noqa: E402
from domain.discovery.terms import Configuration  # noqa: E402
from domain.discovery.view import MeshView  # noqa: E402
from meshift.importing.files import read_files  # noqa: E402
from meshift.importing.templates import Given  # noqa: E402
from tests.discovery_meshes import OWNER, document  # noqa: E402

TEMPLATE = HERE / "data" / "apps-mesh.yaml"
FOLDER = HERE / "data" / "discovery"
TRANSPARENT, PROXY = (Options(mode, "us-east-1") for mode in ("transparent", "proxy"))
GOLDENS = {
    "serviceA-transparent": ("virtualNode/serviceA", TRANSPARENT),
    "serviceA-proxy": ("virtualNode/serviceA", PROXY),
    "serviceB-transparent": ("virtualNode/serviceB", TRANSPARENT),
    "edge": ("virtualGateway/edge", TRANSPARENT),
}
INSTANCES = [
    Instance("10.0.1.12", 80, True, {"ECS_TASK_DEFINITION_FAMILY": "servicebv2"}),
    Instance("10.0.1.11", 80, True, {"ECS_TASK_DEFINITION_FAMILY": "servicebv2"}),
    Instance("10.0.1.13", 80, False, {"ECS_TASK_DEFINITION_FAMILY": "servicebv2"}),
    Instance("10.0.1.14", 80, True, {"ECS_TASK_DEFINITION_FAMILY": "another"}),
]


def tutorial() -> MeshView:
    """Read the tutorial's mesh from its template."""
    found = {item.path: item.spec for item in read_files([TEMPLATE], Given({"Domain": "apps.local"}))}
    return MeshView("apps", OWNER, found.pop(""), {path: document(spec) for path, spec in found.items()})


def told(name: str) -> Configuration:
    """Translate what one of its Envoys is told."""
    path, options = GOLDENS[name]
    view = tutorial()
    return configuration(view, path, options, dict.fromkeys(cloud_map_queries(view, path), INSTANCES))


def written(found: Configuration) -> str:
    """Write a configuration down for people."""
    parts = {name: getattr(found, name) for name in ("listeners", "routes", "clusters", "endpoints", "faults")}
    return json.dumps(parts, indent=1) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for each in GOLDENS:
        (FOLDER / f"{each}.json").write_text(written(told(each)))
