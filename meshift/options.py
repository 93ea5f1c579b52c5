"""Options and forms that several commands share."""

import argparse

import boto3


def add_aws(parser: argparse.ArgumentParser) -> None:
    """Add what says which account, Region and stack; the rest is AWS's usual environment."""
    where = parser.add_argument_group("where")
    where.add_argument("--stack", default="meshift", metavar="NAME", help="Meshift's stack (default: meshift)")
    where.add_argument("--region", help="default as the AWS CLI's")
    where.add_argument("--profile", metavar="NAME", help="the AWS profile")


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add `--json`."""
    parser.add_argument("--json", action="store_true", help="print JSON, for machines")


def use_aws(options: argparse.Namespace) -> None:
    """Let every client of the process be of the profile and Region that the options name."""
    boto3.setup_default_session(profile_name=options.profile, region_name=options.region)


def pair(text: str) -> tuple[str, str]:
    """Understand NAME=VALUE."""
    name, separator, value = text.partition("=")
    if not name or not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value
