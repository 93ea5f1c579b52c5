"""The command line: which commands there are, and how a command ends that cannot do what it was asked.

A command is a module with `describe(parser)`, which adds its options, and `run(options) -> exit code`. Only the
chosen one is imported: templates and colours take their time.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
)

from domain.errors import InvalidSetting, InvalidTag, MeshiftError
from meshift.errors import FAILURE, INTERRUPTED, USAGE, BadInput, Failed


class Command(NamedTuple):
    """Where a command is, and what it does in a line."""

    module: str
    what: str


COMMANDS = {
    "status": Command("meshift.status", "show the rollouts that are at work, and those that wait"),
    "watch": Command("meshift.watch", "show one rollout until it ends"),
    "history": Command("meshift.history", "show who moved which weight of a virtual service, when, and why"),
    **{name: Command("meshift.operate", what) for name, what in {
        "start": "roll out the deployment that a service has now",
        "pause": "keep the weights as they are until the next signal, a week at most",
        "resume": "go on after a pause",
        "approve": "open the gate that a rollout waits at",
        "abort": "take the traffic back",
        "skip": "end the bake of the present step; bad health still counts",
        "promote": "go to the last step now; its bake stays",
        "retry": "roll the last deployment out again",
        "hand-over": "give a virtual node to a service, or a virtual service to a cluster",
        "accept-share": "accept an invitation of AWS RAM that waits for a person",
    }.items()},
    "policy": Command("meshift.policy", "say what a rollout policy means: when which weight, what it takes and costs"),
    "mesh": Command("meshift.mesh", "draw a mesh (map), or say who has it (consumers)"),
    "doctor": Command("meshift.doctor.command", "say what is missing in this account for Meshift to work"),
    "fleet": Command("meshift.fleet", "bring all enrolled services to the wanted sidecar, in waves"),
    "import": Command("meshift.importing.command", "import a mesh into an App Mesh API such as Meshift's"),
    "inject": Command("meshift.injecting.command", "put Meshift's sidecar into a task definition"),
}  # fmt: skip
EPILOG = """\
Credentials, Region and endpoints are those of AWS's usual environment (AWS_PROFILE, AWS_DEFAULT_REGION,
AWS_ENDPOINT_URL) or of --profile and --region. `meshift COMMAND --help` says more.

exit codes: 0 done; 1 refused, failed, or not as it should be; 2 usage or bad input
"""


def parser(chosen: Sequence[str]) -> argparse.ArgumentParser:
    """Describe the command line; of the commands only those that are among the words."""
    found = argparse.ArgumentParser(
        prog="meshift",
        description="See and steer what Meshift does.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = found.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        one = commands.add_parser(
            name,
            help=command.what,
            description=command.what[0].upper() + command.what[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name in chosen:
            module = importlib.import_module(command.module)
            module.describe(one, name)
            one.set_defaults(run=module.run)
    return found


def main(arguments: Sequence[str] | None = None, **given: Any) -> int:
    """Run one command; give back its exit code. `given` is handed to it: tests bring clients of their own."""
    words = sys.argv[1:] if arguments is None else arguments
    options = parser(words).parse_args(words)
    try:
        code: int = options.run(options, **given)
        sys.stdout.flush()
    except BrokenPipeError:  # `meshift history | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE
    except KeyboardInterrupt:
        return failed(options, "interrupted", INTERRUPTED)
    except (BadInput, InvalidTag, InvalidSetting, NoRegionError, ProfileNotFound) as error:
        return failed(options, str(error), USAGE)
    except (NoCredentialsError, PartialCredentialsError) as error:
        return failed(options, f"{error}; set AWS_PROFILE or AWS_ACCESS_KEY_ID, or give --profile", FAILURE)
    except (Failed, MeshiftError, ClientError, BotoCoreError) as error:
        return failed(options, str(error), FAILURE)
    return code


def failed(options: argparse.Namespace, message: str, code: int) -> int:
    """Say in one line why the command ends."""
    sys.stderr.write(f"meshift {options.command}: {' '.join(message.split())}\n")
    return code
