"""Pages of a list: in order of name, continued after the last name that was shown, so that inserts lose nothing."""

import base64
import binascii
import json
from collections.abc import Iterable
from typing import TypeVar

from domain.hosted.errors import bad_request

Item = TypeVar("Item")


def page(named: Iterable[tuple[str, Item]], scope: str, limit: int, token: str | None) -> tuple[list[Item], str | None]:
    """Cut a page of at most `limit` items out of named ones, and the token of the next, if there is one.

    A token is good for the list (`scope`) that made it, also when the item that it points behind is gone.
    """
    after = position(token, scope) if token is not None else ""
    rest = sorted((pair for pair in named if pair[0] > after), key=lambda pair: pair[0])
    shown = rest[:limit]
    return [item for _, item in shown], token_after(scope, shown[-1][0]) if len(rest) > limit else None


def token_after(scope: str, name: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([scope, name]).encode()).decode()


def position(token: str, scope: str) -> str:
    try:
        found = json.loads(base64.b64decode(token.encode(), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise bad_request("nextToken is none that this list gave out") from error
    if not (isinstance(found, list) and len(found) == 2 and found[0] == scope and isinstance(found[1], str)):
        raise bad_request("nextToken is none that this list gave out")
    return str(found[1])
