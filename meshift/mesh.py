"""`meshift mesh`: what can be asked of a whole mesh, a verb each; a verb is a module as a command is."""

import argparse
import importlib
from typing import Any

VERBS = {
    "map": "meshift.mapping.command",
    "consumers": "meshift.sharing.consumers",
    "enable-organization-sharing": "meshift.sharing.organization",
}


def describe(found: argparse.ArgumentParser, _: str) -> None:
    """Add the verbs and their options."""
    verbs = found.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, module in VERBS.items():
        described = importlib.import_module(module)
        one = verbs.add_parser(
            name,
            help=described.SAYS,
            description=f"{described.SAYS[0].upper()}{described.SAYS[1:]}.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        described.describe(one)
        one.set_defaults(act=described.run)


def run(options: argparse.Namespace, **given: Any) -> int:
    """Do one; gives its exit code."""
    code: int = options.act(options, **given)
    return code
