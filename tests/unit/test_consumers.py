"""Who has a mesh, and who would lose it: organizations, units, roles, and what was put into the mesh by hand."""

import pytest

from meshift.errors import BadInput
from meshift.sharing.consumers import lines
from meshift.sharing.model import BY_HAND, HAS, HAS_NOT, MAY, consumers_of
from tests.shapes import CONSUMER, OWNER, STRANGER

ORGANIZATION = "o-abcdefghij"
WHOLE = f"arn:aws:organizations::{STRANGER}:organization/{ORGANIZATION}"
UNIT_ID = "ou-abcd-12345678"
UNIT = f"arn:aws:organizations::{STRANGER}:ou/{ORGANIZATION}/{UNIT_ID}"
ROLE = f"arn:aws:iam::{CONSUMER}:role/deployer"
NODES = [("own", OWNER), ("checkout", CONSUMER), ("other", STRANGER)]


def look(*shared, accounts=(), organization=None, units=(), resolved=(), without=()):
    access = {
        "accounts": list(accounts),
        "organization": organization,
        "organizationalUnits": list(units),
        "resolvedAccounts": [*accounts, *resolved],
    }
    nodes = [{"virtualNodeName": name, "resourceOwner": account} for name, account in NODES]
    return consumers_of("apps", OWNER, dict.fromkeys(shared, "ASSOCIATED"), access, nodes, without)


def states(found):
    return {each.account: each.state for each in found.consumers}


def test_a_role_is_the_principal_and_its_account_has_the_mesh():
    found = look(ROLE, accounts=[CONSUMER])
    assert list(found.principals) == [ROLE]
    assert states(found) == {CONSUMER: HAS, STRANGER: HAS_NOT}
    assert found.losing == {ROLE: {CONSUMER: ["checkout"]}}


def test_whose_account_is_named_too_loses_nothing_with_the_role():
    assert look(ROLE, CONSUMER, accounts=[CONSUMER]).losing[ROLE] == {}


def test_who_is_in_an_organization_is_not_known_here():
    found = look(WHOLE, organization=ORGANIZATION)
    assert states(found) == {CONSUMER: MAY, STRANGER: MAY}
    assert found.losing == {WHOLE: {CONSUMER: ["checkout"], STRANGER: ["other"]}}


def test_an_account_of_a_unit_has_the_mesh_and_loses_it_with_the_unit():
    found = look(UNIT, units=[UNIT_ID], resolved=[CONSUMER])
    assert states(found) == {CONSUMER: HAS, STRANGER: HAS_NOT}
    assert found.losing[UNIT][CONSUMER] == ["checkout"]


@pytest.mark.parametrize(
    ("access", "name"),
    [
        ({"accounts": [CONSUMER]}, CONSUMER),
        ({"organization": ORGANIZATION}, ORGANIZATION),
        ({"units": [UNIT_ID], "resolved": [CONSUMER]}, UNIT_ID),
    ],
)
def test_what_was_put_into_the_mesh_by_hand_is_a_principal_too(access, name):
    found = look(**access)
    assert found.principals == {name: BY_HAND}
    assert found.losing[name][CONSUMER] == ["checkout"]


def test_several_are_thought_away_together():
    found = look(CONSUMER, STRANGER, accounts=[CONSUMER, STRANGER], without=[STRANGER, CONSUMER])
    assert found.losing == {f"{STRANGER} {CONSUMER}": {CONSUMER: ["checkout"], STRANGER: ["other"]}}


def test_nobody_is_named_who_is_no_principal():
    with pytest.raises(BadInput, match="--without 444444444444: mesh apps is not shared with it"):
        look(CONSUMER, accounts=[CONSUMER], without=["444444444444"])


def test_a_mesh_of_ones_own_is_shared_with_nobody():
    found = consumers_of("apps", OWNER, {}, {"accounts": [], "organization": None, "organizationalUnits": [],
                                             "resolvedAccounts": []}, [])  # fmt: skip
    assert list(lines(found)) == [f"mesh apps of {OWNER}", "is shared with nobody"]
