"""Who may do what in a shared mesh: an owner, a consumer, a stranger; then the mesh policy for roles."""

import json

import pytest
from botocore.exceptions import ClientError

from tests.app_mesh_sweep import HTTP2, gateway_route_spec, listed, node_spec, refusal, route_spec
from tests.hosted_mesh import CONSUMER, OWNER, STRANGER, event, iam_of

ORGANIZATION = "o-exampleorgid"
ACCOUNTS = {"owner": OWNER, "consumer": CONSUMER, "stranger": STRANGER}
ROUTER = {"listeners": [HTTP2]}
OK, FORBIDDEN, NOT_FOUND = "ok", "ForbiddenException", "NotFoundException"


def names(kind, whose):
    parents = {"Route": {"virtualRouterName": whose}, "GatewayRoute": {"virtualGatewayName": "owner"}}
    member = kind[0].lower() + kind[1:]
    return {"meshName": "apps", "meshOwner": OWNER, f"{member}Name": whose, **parents.get(kind, {})}


SPECS = {
    "VirtualNode": node_spec("x.apps.local"),
    "VirtualRouter": ROUTER,
    "Route": route_spec({"owner": 1}),
    "VirtualService": {},
    "VirtualGateway": ROUTER,
    "GatewayRoute": {"http2Route": gateway_route_spec("/")["http2Route"]},
}
SPECS["GatewayRoute"]["http2Route"]["action"]["target"]["virtualService"]["virtualServiceName"] = "owner"
GATEWAYS = ("VirtualGateway", "GatewayRoute")


def put_principals(hosted, body, account=OWNER):
    return hosted.request("PUT", "/meshift/v1/meshes/apps/principals", json.dumps(body), account)


def put_policy(hosted, policy, account=OWNER):
    return hosted.request("PUT", "/meshift/v1/meshes/apps/policy", json.dumps({"policy": policy}), account)


@pytest.fixture
def apps(hosted):
    """Clients by role, of a mesh in which owner and consumer have one of everything that they may have."""
    clients = {role: hosted.client(account) for role, account in ACCOUNTS.items()}
    if not MADE:
        make(hosted, clients)
        MADE.extend(hosted.items())
    else:
        hosted.put_items(MADE)
    return clients


MADE = []


def make(hosted, clients):
    clients["owner"].create_mesh(meshName="apps")
    assert put_principals(hosted, {"accounts": [CONSUMER]})["statusCode"] == 200
    for kind, spec in SPECS.items():
        for role in ("owner",) if kind in GATEWAYS else ("owner", "consumer"):
            call(clients[role], "create", kind, role, spec=spec)


def call(client, verb, kind, whose, **more):
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in kind)
    return getattr(client, f"{verb}{snake}")(**names(kind, whose), **more)


def outcome(client, verb, kind, whose, **more):
    try:
        call(client, verb, kind, whose, **more)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return OK


@pytest.mark.parametrize(
    ("role", "verb", "whose", "expected"),
    [
        ("owner", "describe", "owner", OK),
        ("owner", "describe", "consumer", OK),
        ("owner", "update", "owner", OK),
        ("owner", "update", "consumer", FORBIDDEN),
        ("owner", "delete", "consumer", OK),
        ("consumer", "describe", "owner", OK),
        ("consumer", "describe", "consumer", OK),
        ("consumer", "update", "owner", FORBIDDEN),
        ("consumer", "update", "consumer", OK),
        ("consumer", "delete", "owner", FORBIDDEN),
        ("consumer", "delete", "consumer", OK),
        ("stranger", "describe", "owner", FORBIDDEN),
        ("stranger", "update", "owner", FORBIDDEN),
        ("stranger", "delete", "owner", FORBIDDEN),
    ],
)
def test_who_may_do_what_with_whose_resource(apps, role, verb, whose, expected):
    for kind in reversed([kind for kind in SPECS if kind not in GATEWAYS]):
        more = {"spec": SPECS[kind]} if verb == "update" else {}
        assert outcome(apps[role], verb, kind, whose, **more) == expected, kind


@pytest.mark.parametrize(
    ("role", "kind", "expected"),
    [
        *[("consumer", kind, OK) for kind in ("VirtualNode", "VirtualRouter", "VirtualService")],
        *[("stranger", kind, FORBIDDEN) for kind in ("VirtualNode", "VirtualRouter", "VirtualService")],
        ("consumer", "VirtualGateway", FORBIDDEN),
        ("consumer", "GatewayRoute", FORBIDDEN),
        ("owner", "VirtualGateway", OK),
    ],
)
def test_consumers_make_everything_but_gateways(apps, role, kind, expected):
    assert outcome(apps[role], "create", kind, "new", spec=SPECS[kind]) == expected


@pytest.mark.parametrize("verb", ["describe", "update", "delete"])
@pytest.mark.parametrize("kind", GATEWAYS)
def test_consumers_see_gateways_but_do_not_touch_them(apps, verb, kind):
    more = {"spec": SPECS[kind]} if verb == "update" else {}
    assert outcome(apps["consumer"], verb, kind, "owner", **more) == (OK if verb == "describe" else FORBIDDEN)


@pytest.mark.parametrize(("role", "router"), [("owner", "consumer"), ("consumer", "owner")])
def test_a_route_is_made_by_the_account_that_owns_its_router(apps, role, router):
    request = {"meshName": "apps", "meshOwner": OWNER, "virtualRouterName": router, "routeName": "new"}
    assert refusal(apps[role].create_route, **request, spec=SPECS["Route"]) == FORBIDDEN


def test_a_consumer_owns_what_it_makes(apps):
    metadata = call(apps["owner"], "describe", "VirtualNode", "consumer")["virtualNode"]["metadata"]
    assert (metadata["meshOwner"], metadata["resourceOwner"]) == (OWNER, CONSUMER)
    assert metadata["arn"] == f"arn:aws:appmesh:us-east-1:{OWNER}:mesh/apps/virtualNode/consumer"


def test_the_mesh_itself_is_its_owners(apps):
    assert apps["consumer"].describe_mesh(meshName="apps", meshOwner=OWNER)["mesh"]["meshName"] == "apps"
    for operation in (apps["consumer"].update_mesh, apps["consumer"].delete_mesh):
        assert refusal(operation, meshName="apps") == NOT_FOUND


def test_meshes_are_listed_for_their_owner_and_those_they_are_shared_with(apps):
    seen = {role: listed(client, "list_meshes", "meshes") for role, client in apps.items()}
    assert {role: [ref["meshName"] for ref in refs] for role, refs in seen.items()} == {
        "owner": ["apps"],
        "consumer": ["apps"],
        "stranger": [],
    }
    assert seen["consumer"][0]["meshOwner"] == OWNER


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("describe_mesh", {}),
        ("list_virtual_nodes", {}),
        ("list_routes", {"virtualRouterName": "owner"}),
        ("describe_virtual_node", {"virtualNodeName": "owner"}),
        ("delete_virtual_service", {"virtualServiceName": "owner"}),
        ("create_virtual_node", {"virtualNodeName": "owner", "spec": {}}),
    ],
)
def test_a_stranger_learns_nothing_from_an_answer(apps, operation, arguments):
    messages = set()
    for mesh in ("apps", "nomesh"):
        with pytest.raises(ClientError) as error:
            getattr(apps["stranger"], operation)(meshName=mesh, meshOwner=OWNER, **arguments)
        messages.add(str(error.value).replace("nomesh", "apps"))
    assert len(messages) == 1
    assert FORBIDDEN in messages.pop()


def test_tags_are_not_visible_across_accounts(apps):
    arns = {
        role: call(apps["owner"], "describe", "VirtualNode", role)["virtualNode"]["metadata"]["arn"]
        for role in ("owner", "consumer")
    }
    tags = [{"key": "a", "value": "b"}]
    for role, other in (("owner", "consumer"), ("consumer", "owner")):
        apps[role].tag_resource(resourceArn=arns[role], tags=tags)
        assert apps[role].list_tags_for_resource(resourceArn=arns[role])["tags"] == tags
        for operation in (apps[role].list_tags_for_resource, apps[role].untag_resource):
            more = {"tagKeys": ["a"]} if operation == apps[role].untag_resource else {}
            assert refusal(operation, resourceArn=arns[other], **more) == FORBIDDEN


def test_after_unsharing_resources_stay_and_only_the_owner_reaches_them(hosted, apps):
    assert put_principals(hosted, {})["statusCode"] == 200
    assert outcome(apps["consumer"], "describe", "VirtualNode", "consumer") == FORBIDDEN
    assert outcome(apps["owner"], "describe", "VirtualNode", "consumer") == OK
    assert outcome(apps["owner"], "update", "VirtualNode", "consumer", spec={}) == FORBIDDEN
    assert outcome(apps["owner"], "delete", "VirtualNode", "consumer") == OK
    assert listed(apps["consumer"], "list_meshes", "meshes") == []


def test_a_mesh_can_be_shared_with_an_organization(hosted, apps):
    assert put_principals(hosted, {"organization": ORGANIZATION})["statusCode"] == 200
    member = hosted.client(STRANGER, organization=ORGANIZATION)
    assert member.describe_mesh(meshName="apps", meshOwner=OWNER)["mesh"]["meshName"] == "apps"
    elsewhere = hosted.client(STRANGER, organization="o-anotherorg")
    assert refusal(elsewhere.describe_mesh, meshName="apps", meshOwner=OWNER) == FORBIDDEN


def test_principals_and_policy_are_the_owners_business(hosted, apps):
    shown = json.loads(hosted.request("GET", "/meshift/v1/meshes/apps/principals")["body"])
    assert shown == {
        "accounts": [CONSUMER],
        "organization": None,
        "organizationalUnits": [],
        "resolvedAccounts": [CONSUMER],
    }
    assert json.loads(hosted.request("GET", "/meshift/v1/meshes/apps/policy")["body"]) == {"policy": None}
    for account in (CONSUMER, STRANGER):
        assert put_principals(hosted, {"accounts": [STRANGER]}, account)["statusCode"] == 404
        assert hosted.request("GET", "/meshift/v1/meshes/apps/policy", account=account)["statusCode"] == 404


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"accounts": ["1234"]}, "accounts must be"),
        ({"accounts": "222222222222"}, "accounts must be"),
        ({"organization": "example"}, "organization must be"),
        ({"organizationalUnits": ["ou-1"]}, "organizationalUnits must be"),
        ({"principals": []}, "'principals' is not known"),
    ],
)
def test_principals_that_make_no_sense_are_refused(hosted, apps, body, reason):
    answer = put_principals(hosted, body)
    assert answer["statusCode"] == 400
    assert reason in json.loads(answer["body"])["message"]


# Organizational units


@pytest.fixture
def organization(hosted):
    """Moto's organization: a unit with a unit in it, an account in each."""
    import boto3

    api = boto3.client("organizations", "us-east-1")
    api.create_organization(FeatureSet="ALL")
    root = api.list_roots()["Roots"][0]["Id"]
    accounts, parent = [], root
    units = []
    for name in ("outer", "inner"):
        parent = api.create_organizational_unit(ParentId=parent, Name=name)["OrganizationalUnit"]["Id"]
        units.append(parent)
        made = api.create_account(Email=f"{name}@example.com", AccountName=name)["CreateAccountStatus"]["AccountId"]
        api.move_account(AccountId=made, SourceParentId=root, DestinationParentId=parent)
        accounts.append(made)
    return units, accounts


def test_organizational_units_are_resolved_to_their_accounts_all_the_way_down(hosted, apps, organization):
    units, accounts = organization
    answer = put_principals(hosted, {"organizationalUnits": units[:1]})
    assert json.loads(answer["body"])["resolvedAccounts"] == sorted(accounts)
    for account in accounts:
        assert hosted.client(account).describe_mesh(meshName="apps", meshOwner=OWNER)


def test_an_organizational_unit_that_cannot_be_resolved_is_refused(hosted, apps):
    answer = put_principals(hosted, {"accounts": [STRANGER], "organizationalUnits": ["ou-abcd-12345678"]})
    assert answer["statusCode"] == 400
    assert "cannot be resolved" in json.loads(answer["body"])["message"]
    assert refusal(apps["stranger"].describe_mesh, meshName="apps", meshOwner=OWNER) == FORBIDDEN


# The mesh policy

EVERYTHING = {"Effect": "Allow", "Principal": {"AWS": OWNER}, "Action": "*", "Resource": "*"}
TEAM_B = {
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{CONSUMER}:role/teams/b"},
    "Action": ["appmesh:Describe*", "appmesh:UpdateVirtualNode"],
    "Resource": "arn:aws:appmesh:*:*:mesh/apps/virtualNode/consumer",
}


def session(hosted, account, role):
    return hosted.client(account, f"arn:aws:sts::{account}:assumed-role/{role}/i-0abc")


def test_a_policy_lets_a_role_do_what_it_says_and_nothing_else(hosted, apps):
    assert put_policy(hosted, {"Version": "2012-10-17", "Statement": [EVERYTHING, TEAM_B]})["statusCode"] == 200
    team_b, team_c = session(hosted, CONSUMER, "b"), session(hosted, CONSUMER, "c")
    assert outcome(team_b, "update", "VirtualNode", "consumer", spec={}) == OK
    assert outcome(team_b, "describe", "VirtualNode", "owner") == FORBIDDEN
    assert outcome(team_b, "describe", "VirtualNode", "nobody") == FORBIDDEN
    assert outcome(team_b, "delete", "VirtualNode", "consumer") == FORBIDDEN
    assert outcome(team_c, "update", "VirtualNode", "consumer", spec={}) == FORBIDDEN
    assert outcome(apps["owner"], "update", "VirtualNode", "owner", spec=SPECS["VirtualNode"]) == OK


def test_a_policy_cannot_give_what_a_shared_mesh_does_not(hosted, apps):
    anybody = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
    assert put_policy(hosted, {"Statement": [anybody]})["statusCode"] == 200
    assert outcome(apps["stranger"], "describe", "VirtualNode", "owner") == FORBIDDEN
    assert outcome(apps["consumer"], "update", "VirtualNode", "owner", spec={}) == FORBIDDEN
    assert outcome(apps["consumer"], "create", "VirtualGateway", "new", spec=ROUTER) == FORBIDDEN


def test_a_denial_beats_every_permission(hosted, apps):
    denial = {"Effect": "Deny", "Principal": "*", "Action": "appmesh:Delete*", "Resource": "*"}
    assert put_policy(hosted, {"Statement": [EVERYTHING, denial]})["statusCode"] == 200
    assert outcome(apps["owner"], "delete", "VirtualService", "owner") == FORBIDDEN


def test_a_policy_that_locks_its_author_out_is_refused(hosted, apps):
    answer = put_policy(hosted, {"Statement": [TEAM_B]})
    assert answer["statusCode"] == 400
    assert "lock" in json.loads(answer["body"])["message"]


def test_the_owners_root_can_always_replace_the_policy(hosted, apps):
    robot = f"arn:aws:iam::{OWNER}:role/robot"
    only_robot = {**EVERYTHING, "Principal": {"AWS": robot}}
    session_of_robot = {"accountId": OWNER, "userArn": f"arn:aws:sts::{OWNER}:assumed-role/robot/1"}
    root = {"accountId": OWNER, "userArn": f"arn:aws:iam::{OWNER}:root"}

    def put(policy, iam):
        from tests.hosted_mesh import event

        body = json.dumps({"policy": policy})
        return hosted.answer(event("PUT", "/meshift/v1/meshes/apps/policy", "", body, iam, {}))["statusCode"]

    assert put({"Statement": [only_robot]}, session_of_robot) == 200
    assert put_policy(hosted, None)["statusCode"] == 403
    assert put(None, root) == 200


ALL = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}


@pytest.mark.parametrize(
    "policy",
    [
        {"Statement": [{**ALL, "Sid": "\ud800"}]},
        {"Statement": [{**ALL, "Sid": float("inf")}]},
        {"Statement": [ALL], "Id": ["x"]},
        {"Statement": [{**ALL, "Resource": "\ud800"}]},
    ],
    ids=["half a character", "not a number", "a list", "half a character as resource"],
)
def test_the_texts_of_a_policy_are_texts(hosted, policy):
    hosted.client().create_mesh(meshName="apps")
    body = json.dumps({"policy": policy}).replace("Infinity", "1e999")
    assert hosted.request("PUT", "/meshift/v1/meshes/apps/policy", body)["statusCode"] == 400


def test_if_match_on_principals_is_refused_and_not_ignored(hosted):
    hosted.client().create_mesh(meshName="apps")
    path = "/meshift/v1/meshes/apps/principals"
    answer = hosted.answer(event("PUT", path, "", '{"accounts": []}', iam_of(OWNER), {"if-match": "1"}))
    assert answer["statusCode"] == 400
    assert "If-Match" in answer["body"]


def test_a_stranger_learns_nothing_of_organizational_units(hosted):
    """He is refused before Organizations is asked, which would say that it knows no such unit."""
    body = '{"organizationalUnits": ["ou-abcd-12345678"]}'
    path = "/meshift/v1/meshes/nosuch/principals"
    answer = hosted.answer(event("PUT", path, "", body, iam_of(STRANGER), {}))
    assert answer["statusCode"] in (403, 404)
    assert "organizational" not in answer["body"]
