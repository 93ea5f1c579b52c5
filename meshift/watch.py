"""`meshift watch`: one rollout, drawn until it ends; a line for each change where nobody looks at a terminal."""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from rich.live import Live
from rich.text import Text

from gateways import executions
from meshift.drawing import checks, console_for, draw, ending, split, where
from meshift.errors import DONE, FAILURE, BadInput, Failed
from meshift.options import add_aws, add_json, use_aws
from meshift.rollouts import Rollout, at_work, look
from meshift.stack import read_stack
from settings import Settings

_EVERY_SECONDS = 1.0


def describe(found: argparse.ArgumentParser, _: str) -> None:
    """Add the options."""
    found.epilog = "exit codes: 0 promoted; 1 it ended otherwise, or there is none; 2 usage"
    found.add_argument("mesh", nargs="?", help="mesh, or mesh@owner; may be left out while one rollout is at work")
    found.add_argument("virtual_service", nargs="?", metavar="virtual-service")
    add_aws(found)
    add_json(found)


def run(options: argparse.Namespace) -> int:
    """Watch it to its end."""
    use_aws(options)
    settings = read_stack(options.stack).settings
    rollout = chosen(at_work(settings, options.mesh, options.virtual_service))
    out = console_for(sys.stdout)
    if options.json:
        for each in changes(follow(rollout, settings)):
            print(json.dumps(each.as_json()), flush=True)
    elif out.is_terminal:
        with Live(draw(rollout), console=out, refresh_per_second=4) as live:
            for each in follow(rollout, settings):
                live.update(draw(each))
    else:
        for each in changes(follow(rollout, settings)):
            out.print(line(each), soft_wrap=True)
            out.file.flush()
    result = outcome(rollout.execution)
    if options.json:
        print(json.dumps(result))
    else:
        out.print(ending(result["outcome"], result["reason"]), soft_wrap=True)
    return DONE if result["outcome"] == "Promoted" else FAILURE


def chosen(rollouts: list[Rollout]) -> Rollout:
    """Choose the one that is meant: the one at work, else the one that waits."""
    found = [each for each in rollouts if not each.waits] or rollouts
    if not found:
        raise Failed("no such rollout is at work")
    if len(found) > 1:
        names = "; ".join(f"{each.mesh} {each.virtual_service} ({each.name})" for each in found)
        raise BadInput(f"several are at work, name one: {names}")
    return found[0]


def follow(rollout: Rollout, settings: Settings) -> Iterator[Rollout]:
    """Look at a rollout until its execution has ended."""
    while executions.status(rollout.execution) == "RUNNING":
        rollout = look(rollout, settings)
        yield rollout
        time.sleep(_EVERY_SECONDS)


def changes(seen: Iterator[Rollout]) -> Iterator[Rollout]:
    """Leave out what looks as before: states of one slice come and go."""
    last: Any = None
    for rollout in seen:
        now = key(rollout)
        if now != last:
            last = now
            yield rollout


def key(rollout: Rollout) -> Any:
    """Return what makes a change worth a line."""
    found = rollout.as_json()
    return (
        found["weights"],
        found.get("step"),
        found.get("failures"),
        [result["verdict"] for result in rollout.results],
        found.get("paused"),
        found.get("gate") is not None,
        None if "step" in found else (rollout.state, found["reason"]),
    )


def line(rollout: Rollout) -> Text:
    """Write a change in a line."""
    now = datetime.now().astimezone().strftime("%H:%M:%S")
    weights = "; ".join(split(each) for each in (rollout.weights or {}).values())
    found = rollout.as_json()
    bad = found.get("failures") or any(result["verdict"] != "pass" for result in rollout.results)
    said = f"; {checks(rollout)}" if bad else ""
    return Text(f"{now} {where(rollout)}" + (f": {weights}" if weights else "") + said)


def outcome(execution: str) -> dict[str, Any]:
    """Return how an execution ended; one that was stopped or died has no output of its own."""
    found = executions.describe(execution)
    if found.get("output"):
        return dict(json.loads(found["output"]))
    reason = found.get("cause") or "it has no output"
    try:
        return dict(json.loads(reason))  # Roll Back Failed puts its result there
    except ValueError:
        return {"outcome": found["status"].title(), "reason": reason}
