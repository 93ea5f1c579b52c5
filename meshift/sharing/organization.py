"""`meshift mesh enable-organization-sharing`: let RAM share inside the organization, without invitations."""

import argparse
import json

from gateways import organizations, own_shares
from gateways.clients import client
from meshift.errors import DONE, Failed
from meshift.options import add_aws, add_json, use_aws

SAYS = "allow AWS RAM to share inside the organization, once, in its management account"
EPILOG = """\
Until then RAM takes no organization and no organizational unit as a principal, and sends invitations to its accounts.
"""


def describe(found: argparse.ArgumentParser) -> None:
    """Add the options."""
    found.epilog = EPILOG
    found.add_argument("--yes", action="store_true", help="do it; without, it is only said whether it would be done")
    add_aws(found)
    add_json(found)


def run(options: argparse.Namespace) -> int:
    """Check that this is the management account, then enable it; twice is once."""
    use_aws(options)
    account = client("sts").get_caller_identity()["Account"]
    organization = organizations.describe_own()
    if organization is None:
        raise Failed(f"account {account} is in no organization, or AWS Organizations does not tell it")
    if organization["MasterAccountId"] != account:
        raise Failed(
            f"account {account} is a member of {organization['Id']}; "
            f"this is for its management account, {organization['MasterAccountId']}: give --profile"
        )
    if options.yes and not own_shares.enable_organization():
        raise Failed(f"AWS RAM did not enable sharing inside {organization['Id']}, and gives no reason")
    found = {"organization": organization["Id"], "managementAccount": account, "done": options.yes}
    if options.json:
        print(json.dumps(found))
    elif options.yes:
        print(f"AWS RAM shares inside {organization['Id']} without invitations")
    else:
        print(f"AWS RAM would be allowed to share inside {organization['Id']}. Nothing was changed; repeat with --yes.")
    return DONE
