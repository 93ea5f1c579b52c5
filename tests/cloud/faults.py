"""What can happen to a call to AWS, one call or all of its kind from then on."""

from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ReadTimeoutError

from tests.cloud.dynamodb import refusal

KINDS = (
    "throttled",
    "failed",  # 500
    "denied",
    "lost",  # timed out before it took effect
    "unanswered",  # timed out after it took effect
    "repeated",  # boto3 sent it again, because the first answer was lost
    "killed before",
    "killed after",
    "stopped",  # the execution, by a person; its function goes on
    "overtaken",  # stopped, and recovery looks before the call takes effect
)
LASTING = ("throttled", "failed", "denied", "lost", "unanswered", "killed before", "killed after")
"""What also comes as an outage: the same for all such calls until it is repaired."""


OUTAGE_SECONDS = 3600
"""How long an outage lasts: longer than any task or queue tries again."""


class Killed(BaseException):
    """The process ends here: no code of the function sees it."""


@dataclass(frozen=True)
class Asked:
    """One call to AWS: which function makes it, and the how manieth of the run it is."""

    function: str
    service: str
    operation: str
    parameters: Any
    number: int

    @property
    def name(self) -> str:
        return f"{self.function} {self.service}:{self.operation}"


@dataclass
class Fault:
    """Something that goes wrong with one call of a run; `lasting`, with all calls of that name for an hour."""

    kind: str
    number: int
    name: str = ""
    lasting: bool = False
    until: float = field(default=0, compare=False)

    def strikes(self, asked: Asked, now: float) -> bool:
        if asked.number == self.number:
            self.name, self.until = asked.name, now + OUTAGE_SECONDS
            return True
        return self.lasting and asked.name == self.name and now < self.until

    def before(self) -> None:
        """Fail, if it is before the call takes effect that this fault strikes."""
        if self.kind == "throttled":
            raise refusal("ThrottlingException", "Any", "Rate exceeded", ResponseMetadata={"HTTPStatusCode": 429})
        if self.kind == "failed":
            raise refusal("InternalServerError", "Any", "We encountered an internal error")
        if self.kind == "denied":
            raise refusal("AccessDeniedException", "Any", "not authorized to perform this action")
        if self.kind == "lost":
            raise ReadTimeoutError(endpoint_url="https://aws.example/")
        if self.kind == "killed before":
            raise Killed

    def after(self) -> None:
        """Fail, if it is after the call took effect that this fault strikes."""
        if self.kind == "unanswered":
            raise ReadTimeoutError(endpoint_url="https://aws.example/")
        if self.kind == "killed after":
            raise Killed

    def __str__(self) -> str:
        return f"{self.kind}{' from then on' if self.lasting else ''} at call {self.number}"
