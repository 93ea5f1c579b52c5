import pytest

from domain.sharing import judge
from tests.shapes import OWNER, STRANGER

ALLOWED = {"appmesh:Mesh", "ssm:Parameter"}
MESH = {"arn": f"arn:aws:appmesh:us-east-1:{OWNER}:mesh/apps", "type": "appmesh:Mesh"}
CARD = {"arn": f"arn:aws:ssm:us-east-1:{OWNER}:parameter/meshift/meshes/apps", "type": "ssm:Parameter"}


def invitation(sender=OWNER, arn_account=OWNER):
    return {
        "resourceShareInvitationArn": f"arn:aws:ram:us-east-1:{arn_account}:resource-share-invitation/1",
        "senderAccountId": sender,
    }


@pytest.mark.parametrize("resources", [[MESH], [CARD], [MESH, CARD]])
def test_a_trusted_share_of_allowed_types_is_accepted(resources):
    assert judge(invitation(), resources, {OWNER}, ALLOWED).accept


@pytest.mark.parametrize(
    ("sent", "resources", "says"),
    [
        (invitation(STRANGER, STRANGER), [MESH], "is not one of TrustedAccounts"),
        (invitation(OWNER, STRANGER), [MESH], "does not belong to account"),
        (invitation(), [], "the share is empty"),
        (
            invitation(),
            [MESH, {"arn": f"arn:aws:ec2:us-east-1:{OWNER}:subnet/1", "type": "ec2:Subnet"}],
            "a ec2:Subnet",
        ),
        (invitation(), [{**MESH, "arn": f"arn:aws:appmesh:us-east-1:{STRANGER}:mesh/apps"}], "which is not of account"),
        (
            invitation(),
            [{**CARD, "arn": f"arn:aws:ssm:us-east-1:{OWNER}:parameter/prod/password"}],
            "only /meshift/meshes/*",
        ),
        (
            invitation(),
            [{**CARD, "arn": f"arn:aws:ssm:us-east-1:{OWNER}:parameter/x/meshift/meshes/apps"}],
            "only /meshift/meshes/*",
        ),
    ],
)
def test_everything_else_stays_pending_with_the_reason(sent, resources, says):
    verdict = judge(sent, resources, {OWNER}, ALLOWED)
    assert not verdict.accept
    assert says in verdict.reason
