"""Local AWS's RAM inside an organization: no invitation once that is enabled, and to nobody outside."""

import pytest

from local.authorization import Place, checks
from local.ram import Ram
from local.ram_error import RamError
from local.ram_state import Organization
from tests.ram import REGION, card_arn
from tests.shapes import CONSUMER, OWNER, STRANGER

MANAGEMENT, OTHER = "999999999999", "444444444444"
WHOLE = f"arn:aws:organizations::{MANAGEMENT}:organization/o-abcdefghij"
UNIT = f"arn:aws:organizations::{MANAGEMENT}:ou/o-abcdefghij/ou-abcd-12345678"


@pytest.fixture
def ram():
    found = Ram()
    members = frozenset({MANAGEMENT, OWNER, CONSUMER, OTHER})
    whole = Organization("o-abcdefghij", MANAGEMENT, members, {"ou-abcd-12345678": frozenset({CONSUMER})})
    found.find_organization = lambda: whole
    return found


def enable(ram):
    assert ram.EnableSharingWithAwsOrganization(MANAGEMENT, REGION, {}) == {"returnValue": True}


def share(ram, principal, sender=OWNER, external=False):
    asked = {"name": "apps", "resourceArns": [card_arn(sender)], "principals": [principal]}
    return ram.CreateResourceShare(sender, REGION, {**asked, "allowExternalPrincipals": external})


def received(ram, account):
    return [
        each["arn"] for each in ram.ListResources(account, REGION, {"resourceOwner": "OTHER-ACCOUNTS"})["resources"]
    ]


@pytest.mark.parametrize(("principal", "reached"), [(WHOLE, {CONSUMER, OTHER}), (UNIT, {CONSUMER}), (OTHER, {OTHER})])
def test_whom_a_principal_reaches_has_the_share_at_once_and_is_no_external(ram, principal, reached):
    enable(ram)
    share(ram, principal)
    assert {account for account in (CONSUMER, OTHER, STRANGER) if received(ram, account)} == reached
    assert ram.invitations == {}
    for account in reached:
        (found,) = ram.ListPrincipals(account, REGION, {"resourceOwner": "OTHER-ACCOUNTS"})["principals"]
        assert (found["id"], found["external"]) == (OWNER, False)


@pytest.mark.parametrize("principal", [WHOLE, UNIT, CONSUMER])
def test_until_it_is_enabled_the_organization_helps_nobody(ram, principal):
    with pytest.raises(RamError) as refused:
        share(ram, principal)
    assert refused.value.code == "OperationNotPermittedException"


def test_only_the_management_account_enables_it(ram):
    with pytest.raises(RamError):
        ram.EnableSharingWithAwsOrganization(OWNER, REGION, {})
    assert not ram.shares_inside


def test_who_is_outside_is_invited_and_cannot_share_with_the_organization(ram):
    enable(ram)
    share(ram, STRANGER, external=True)
    assert [each["receiverAccountId"] for each in ram.invitations.values()] == [STRANGER]
    with pytest.raises(RamError) as refused:
        share(ram, WHOLE, sender=STRANGER)
    assert refused.value.code == "UnknownResourceException"


def test_a_unit_that_is_not_there_is_not_found(ram):
    enable(ram)
    with pytest.raises(RamError) as refused:
        share(ram, UNIT.replace("12345678", "87654321"))
    assert refused.value.code == "UnknownResourceException"


@pytest.mark.parametrize(
    ("operation", "asked", "resource"),
    [
        (
            "DescribeAccount",
            {"AccountId": CONSUMER},
            f"arn:aws:organizations::{MANAGEMENT}:account/o-abcdefghij/{CONSUMER}",
        ),
        ("ListAccountsForParent", {"ParentId": "ou-abcd-12345678"}, UNIT),
        ("DescribeOrganization", {}, "*"),
    ],
)
def test_what_is_asked_of_an_organization_is_checked_against_its_own_arns(operation, asked, resource):
    action = f"organizations:{operation}"
    (check,) = checks(action, {**asked, "OrganizationArn": WHOLE}, Place(CONSUMER, REGION))
    assert (check.action, check.resource) == (action, resource)
