"""What one check found."""

from collections.abc import Sequence
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


def dry_runs(results: Sequence[Result]) -> str:
    """Say what checks would have said that never count.

    >>> dry_runs([Result("a", PASS), Result("b", FAIL, "b: 7, at most 5 is allowed", dry_run=True)])
    'dry run: fail: b: 7, at most 5 is allowed'
    """
    return "; ".join(
        f"dry run: {each.verdict}: {each.reason}" for each in results if each.dry_run and each.verdict != PASS
    )
