"""Whom a mesh is shared with: one parameter, in the words of RAM, of the mesh and of Lambda."""

import pytest

from domain.errors import InvalidSetting
from domain.hosted.sharing import principals_of
from domain.principals import NOBODY, losers, parse_principals, refuse_oversize, statements_of
from tests.shapes import CONSUMER, OWNER, STRANGER

WHOLE = f"arn:aws:organizations::{STRANGER}:organization/o-abcdefghij"
UNIT = f"arn:aws:organizations::{STRANGER}:ou/o-abcdefghij/ou-abcd-12345678"
ROLE = f"arn:aws:iam::{CONSUMER}:role/team/deployer"
FUNCTION = f"arn:aws:lambda:us-east-1:{OWNER}:function:meshift-MeshApiFunction-1"


def parse(*texts):
    return parse_principals(texts, OWNER)


@pytest.mark.parametrize(
    ("texts", "accounts", "organization", "units"),
    [
        ([], [], None, []),
        ([" ", ""], [], None, []),
        ([f" {CONSUMER} ", CONSUMER], [CONSUMER], None, []),
        ([ROLE], [CONSUMER], None, []),
        ([WHOLE], [], "o-abcdefghij", []),
        ([UNIT, CONSUMER], [CONSUMER], None, ["ou-abcd-12345678"]),
    ],
)
def test_principals_are_written_as_the_mesh_takes_them(texts, accounts, organization, units):
    written = parse(*texts).of_mesh()
    assert (written["accounts"], written.get("organization"), written["organizationalUnits"]) == (
        accounts,
        organization,
        units,
    )
    assert principals_of(written) == written


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (["12345"], "'12345' is not an account id"),
        (["١" * 12], "is not an account id"),
        (["*"], "is not an account id"),
        ([WHOLE.replace("o-abcdefghij", "*")], "is not an account id"),
        (["o-abcdefghij"], "is not an account id"),
        ([f"arn:aws:iam::{CONSUMER}:root"], "is not an account id"),
        ([f"arn:aws:iam::{CONSUMER}:role/*"], "is not an account id"),
        ([f"{CONSUMER} {STRANGER}"], "is not an account id"),
        ([WHOLE, WHOLE.replace("abcdefghij", "klmnopqrst")], "one organization"),
        ([OWNER], "the owner's own account"),
        ([f"arn:aws:iam::{OWNER}:role/x"], "the owner's own account"),
    ],
)
def test_what_is_no_principal_is_refused_by_its_parameter(texts, says):
    with pytest.raises(InvalidSetting, match=f"SharePrincipals: .*{says}"):
        parse(*texts)


def test_an_account_may_call_the_functions_by_their_urls_and_signed_only():
    url, invoke = parse(CONSUMER).permissions("apps")
    assert url["FunctionUrlAuthType"] == "AWS_IAM"
    assert invoke["InvokedViaFunctionUrl"] is True
    assert {url["Principal"], invoke["Principal"]} == {CONSUMER}
    assert [each["Action"] for each in (url, invoke)] == ["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"]


@pytest.mark.parametrize("text", [WHOLE, UNIT])
def test_an_organization_is_one_principal_and_so_is_a_units(text):
    for permission in parse(text).permissions("apps"):
        assert (permission["Principal"], permission["PrincipalOrgID"]) == ("*", "o-abcdefghij")


def test_everybody_is_a_principal_only_within_an_organization():
    for permission in parse(CONSUMER, UNIT, ROLE).permissions("apps"):
        assert permission["Principal"] != "*" or permission["PrincipalOrgID"]


def test_statements_are_told_apart_by_mesh_in_letters_that_lambda_takes():
    ids = {each["StatementId"] for name in ("apps", "a.b") for each in parse(CONSUMER).permissions(name)}
    assert len(ids) == 4
    assert all(set(each) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_") and len(each) <= 100 for each in ids)


def many(count):
    return [str(10**11 + number) for number in range(count)]


def test_more_accounts_than_a_policy_holds_are_refused_before_anything_is_written():
    refuse_oversize(parse(*many(25)), "apps", {}, FUNCTION)
    with pytest.raises(InvalidSetting, match="name their organization instead"):
        refuse_oversize(parse(*many(60)), "apps", {}, FUNCTION)


def test_what_others_put_into_the_policy_counts_and_what_is_replaced_does_not():
    others = {"Statement": [{"Sid": f"x{number}", "Principal": "y" * 500} for number in range(35)]}
    with pytest.raises(InvalidSetting):
        refuse_oversize(parse(*many(25)), "apps", others, FUNCTION)
    own = {"Statement": [{**each, "Sid": statements_of("apps") + each["Sid"]} for each in others["Statement"]]}
    refuse_oversize(parse(*many(25)), "apps", own, FUNCTION)


NODES = [("serviceB", OWNER), ("serviceC", CONSUMER), ("serviceD", STRANGER), ("serviceC2", CONSUMER)]


@pytest.mark.parametrize(
    ("before", "after", "lost"),
    [
        ([CONSUMER, STRANGER], [CONSUMER, STRANGER], {}),
        ([CONSUMER, STRANGER], [CONSUMER], {STRANGER: ["serviceD"]}),
        ([CONSUMER, STRANGER], [], {CONSUMER: ["serviceC", "serviceC2"], STRANGER: ["serviceD"]}),
        ([CONSUMER], [WHOLE], {CONSUMER: ["serviceC", "serviceC2"]}),
        ([], [UNIT], {}),
        ([], [WHOLE, CONSUMER], {}),
    ],
)
def test_who_loses_the_mesh_is_listed_with_his_nodes(before, after, lost):
    assert losers(NODES, OWNER, {"accounts": before, "resolvedAccounts": before}, parse(*after)) == lost


def test_whose_unit_stays_loses_nothing():
    before = {"accounts": [], "organizationalUnits": ["ou-abcd-12345678"], "resolvedAccounts": [CONSUMER]}
    assert losers(NODES, OWNER, before, parse(UNIT)) == {}


def test_when_nobody_has_it_any_more_all_consumers_lose_it():
    assert set(losers(NODES, OWNER, {}, NOBODY)) == {CONSUMER, STRANGER}
