"""Tags: at most fifty, none that begins with `aws:`. Kept as a plain mapping, shown as App Mesh's list."""

from collections.abc import Iterable, Mapping

from domain.hosted.errors import ApiError, bad_request

MOST_TAGS = 50


def mapping_of(tags: Iterable[Mapping[str, str]], where: str = "tags") -> dict[str, str]:
    """Read a list of tags: keys once each, none reserved."""
    found: dict[str, str] = {}
    for index, tag in enumerate(tags):
        key = tag["key"]
        if key.lower().startswith("aws:"):
            raise bad_request(f"{where}[{index}].key begins with aws:, which is reserved")
        if key in found:
            raise bad_request(f"{where}[{index}].key repeats a key")
        found[key] = tag["value"]
    return found


def with_tags(tags: Mapping[str, str], more: Mapping[str, str]) -> dict[str, str]:
    """Add or replace tags; none of them when there would be more than fifty."""
    merged = {**tags, **more}
    if len(merged) > MOST_TAGS:
        raise ApiError("TooManyTagsException", f"{len(merged)} tags; a resource has at most {MOST_TAGS}")
    return merged


def without_tags(tags: Mapping[str, str], keys: Iterable[str]) -> dict[str, str]:
    gone = set(keys)
    return {key: value for key, value in tags.items() if key not in gone}


def listed(tags: Mapping[str, str]) -> list[tuple[str, dict[str, str]]]:
    """Show tags as App Mesh does, each with the key that orders it."""
    return [(key, {"key": key, "value": value}) for key, value in tags.items()]
