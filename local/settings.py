"""What a person or a test may change in running local AWS (`/_meshift/settings`)."""

import re
from dataclasses import asdict, dataclass, field
from typing import Any

OWNER = "111111111111"
CONSUMER = "222222222222"
REGION = "us-east-1"


@dataclass
class Settings:
    """`deploymentSeconds`: how long an ECS deployment takes; `failingTag`: image tags holding it never start.

    `dataPlane`: whether real Envoys run beside the tasks that are started from now on (local/dataplane.py);
    `discoveryFails`: the mesh whose Envoys find discovery out of reach, empty for none.
    `organization`: the accounts of one organization, its management account first; empty for none.
    """

    deploymentSeconds: float = 1.0  # noqa: N815 - the names on the wire
    failingTag: str = "fails"  # noqa: N815
    dataPlane: bool = False  # noqa: N815
    discoveryFails: str = ""  # noqa: N815
    organization: list[str] = field(default_factory=list)

    def change(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Take over the given settings; ValueError names what is unknown or makes no sense."""
        for name, value in wanted.items():
            if name == "deploymentSeconds":
                if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
                    raise ValueError(f"deploymentSeconds must be a number of seconds >= 0, not {value!r}")
            elif name == "failingTag":
                if not isinstance(value, str) or not value:
                    raise ValueError(f"failingTag must be a text that is not empty, not {value!r}")
            elif name == "dataPlane":
                if not isinstance(value, bool):
                    raise ValueError(f"dataPlane must be true or false, not {value!r}")
            elif name == "discoveryFails":
                if not isinstance(value, str):
                    raise ValueError(f"discoveryFails must be the name of a mesh, or empty, not {value!r}")
            elif name == "organization":
                if not isinstance(value, list) or not all(re.fullmatch(r"[0-9]{12}", str(each)) for each in value):
                    raise ValueError(f"organization must be a list of account ids of 12 digits, not {value!r}")
            else:
                raise ValueError(f"unknown setting {name!r}; there are {', '.join(asdict(self))}")
        for name, value in wanted.items():
            setattr(self, name, value)
        return asdict(self)


SETTINGS = Settings()
