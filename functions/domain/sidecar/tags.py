"""The tags of the revisions that Meshift registers."""

from collections.abc import Mapping

from domain.enrolment import PREFIX
from domain.errors import Refused

INJECTED_FROM = PREFIX + "injected-from"
"""The ARN of the revision that Meshift started from."""
INJECTED_BY = PREFIX + "injected-by"
"""The execution that registered it."""
INJECTED_AS = PREFIX + "injected-as"
"""`Injection.digest`, what it was registered as."""

_MARKS = (INJECTED_FROM, INJECTED_BY, INJECTED_AS)
_MOST_TAGS = 50


def revision_tags(tags: Mapping[str, str], marks: Mapping[str, str]) -> dict[str, str]:
    """Join a revision's tags with Meshift's marks; AWS's own (`aws:…`) nobody else may set.

    >>> revision_tags({"team": "b", "aws:cloudformation:stack-name": "orders"}, {INJECTED_BY: "x"})
    {'team': 'b', 'meshift:injected-by': 'x'}

    Raises Refused when they are more than ECS allows.
    """
    joined = {key: value for key, value in tags.items() if not key.lower().startswith("aws:")} | dict(marks)
    if len(joined) > _MOST_TAGS:
        raise Refused(
            f"the revision has {len(joined) - len(marks)} tags, and with Meshift's {len(marks)} they are more than the "
            f"{_MOST_TAGS} that ECS allows; remove some"
        )
    return joined


def unmarked(tags: Mapping[str, str]) -> dict[str, str]:
    """Leave Meshift's marks out of a revision's tags.

    >>> unmarked({"team": "b", "meshift:injected-by": "x"})
    {'team': 'b'}
    """
    return revision_tags({key: value for key, value in tags.items() if key not in _MARKS}, {})
