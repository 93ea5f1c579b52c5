"""Deliver a full EventBridge event, `aws.*` sources included: `python -m local.emit FILE` (`-` = stdin).

It goes through the rules of the stack on local AWS, in the account of `--account`, else of the event, else the
owner's. Local AWS is found by AWS_ENDPOINT_URL, else by `.local/env`. Exit status: 2 for an event that is
none, 1 when local AWS does not take it.
"""

import argparse
import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from local.instance import ROOT, LocalAwsError, call
from local.settings import OWNER

ENV_FILE = ROOT / ".local" / "env"


class NoEvent(ValueError):
    """What was given is no event."""


def main() -> None:
    """Read, deliver, say what became of it in one line."""
    parser = argparse.ArgumentParser(prog="python -m local.emit", description=__doc__)
    parser.add_argument("file", help="a file with the event as JSON, - for standard input")
    parser.add_argument("--account", help="12 digits; default: the event's, else the owner")
    arguments = parser.parse_args()
    try:
        event = read(arguments.file, arguments.account)
        call(f"{endpoint()}/_meshift/events", event)
    except NoEvent as error:
        print(f"emit: {error}", file=sys.stderr)
        sys.exit(2)
    except LocalAwsError as error:
        print(f"emit: {error}", file=sys.stderr)
        sys.exit(2 if error.refused else 1)
    print(f"delivered {event['id']} ({event['detail-type']}) in {event['account']}")


def read(file: str, account: str | None = None) -> dict[str, Any]:
    """Read the event and settle its account; NoEvent says what is wrong."""
    name = "standard input" if file == "-" else file
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text()
        event = json.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise NoEvent(f"cannot read {name}: {getattr(error, 'strerror', None) or error}") from None
    except json.JSONDecodeError as error:
        raise NoEvent(f"{name} is not JSON: {error}") from None
    if not isinstance(event, dict):
        raise NoEvent(f"{name} holds no JSON object")
    if account and not _is_account(account):
        raise NoEvent(f"--account must have 12 digits, not {account!r}")
    own = str(event.get("account", ""))
    event["account"] = account or (own if _is_account(own) else OWNER)
    return event


def endpoint() -> str:
    """Where local AWS listens."""
    if "AWS_ENDPOINT_URL" in os.environ:
        return os.environ["AWS_ENDPOINT_URL"].rstrip("/")
    if ENV_FILE.exists():
        words = shlex.split(ENV_FILE.read_text())
        found = [word.partition("=")[2] for word in words if word.startswith("AWS_ENDPOINT_URL=")]
        if found:
            return found[0]
    raise LocalAwsError("local AWS is not running: `make local` starts it")


def _is_account(text: str) -> bool:
    return len(text) == 12 and text.isascii() and text.isdigit()


if __name__ == "__main__":
    main()
