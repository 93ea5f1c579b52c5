"""What one check found."""

from dataclasses import dataclass

PASS, FAIL, INCONCLUSIVE, NO_DATA = "pass", "fail", "inconclusive", "no data"


@dataclass(frozen=True)
class Result:
    """The verdict of one check, with the numbers it stands on."""

    name: str
    verdict: str
    reason: str = ""
    """A sentence that names the check; empty where all is well and there is nothing to tell."""
    dry_run: bool = False
    """It is told, and never counts."""
    on_no_data: str | None = None
    """What no data means for this check: pass, hold or fail; None leaves it to the policy."""
