"""accept_shares against local AWS's RAM: who is accepted, what is used, what is told, whatever fails on the way."""

import json
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from domain.sharing import INVITATION_LIVES
from gateways.clients import client
from gateways.remembered import Remembered
from local.ram_state import Organization
from observability import metrics
from tests.ram import card, card_arn
from tests.shapes import OWNER, STRANGER

OWN, MESH = "123456789012", f"apps@{OWNER}"
ORGANIZATION = "o-abcdefghij"


@pytest.fixture
def organization(aws, monkeypatch):
    """moto's organization of this account; gives its id, which is trusted."""
    organizations = client("organizations")
    found = organizations.create_organization(FeatureSet="ALL")["Organization"]["Id"]
    monkeypatch.setenv("TRUSTED_ORGANIZATION", found)
    monkeypatch.setenv("TRUSTED_ACCOUNTS", "")
    return found


def remembered():
    return Remembered("rollouts")


def wait_for_mesh(mesh=MESH):
    arn = f"arn:aws:ecs:us-east-1:{OWN}:service/apps/gone"
    remembered().remember_waiting(mesh, arn, "apps")


def waiting():
    """The services that wait, whether the share is there or not."""
    return [each["sk"]["S"] for each in remembered()._query("waiting")]


def test_a_trusted_share_is_accepted_with_a_client_token_and_its_mesh_is_known(ram, look):
    share = ram.share_card()
    assert not look()
    assert ram.status(share) == "ACCEPTED"
    arn = ram.invitation(share)["resourceShareInvitationArn"]
    (asked,) = ram.asked("AcceptResourceShareInvitation")
    assert asked == {"resourceShareInvitationArn": arn, "clientToken": arn.rpartition("/")[2]}
    assert remembered().invitation(arn) == "ACCEPTED"
    assert remembered().card(MESH) == card()


def test_all_pages_are_read_and_an_invitation_on_two_of_them_is_answered_once(ram, look):
    shares = [ram.share_card(mesh=f"apps{number}") for number in range(5)]
    ram.page = 1
    assert not look()
    assert [ram.status(share) for share in shares] == ["ACCEPTED"] * 5
    assert len(ram.asked("AcceptResourceShareInvitation")) == 5
    assert sorted(remembered().cards()) == [f"apps{number}@{OWNER}" for number in range(5)]


def test_looking_again_changes_nothing_and_tells_nobody(ram, look, mail, aws):
    ram.share_card()
    ram.share(STRANGER, [card_arn(STRANGER)])
    look()
    items, told = aws("dynamodb").scan(TableName="rollouts")["Items"], list(mail())
    assert not look()
    assert aws("dynamodb").scan(TableName="rollouts")["Items"] == items
    assert mail() == told
    assert len(ram.asked("AcceptResourceShareInvitation")) == 1


def test_a_strangers_share_waits_for_a_person_who_is_told_once_how_to_accept_it(ram, look, mail):
    share = ram.share(STRANGER, [card_arn(STRANGER)])
    look()
    look()
    ((subject, told),) = mail()
    arn = ram.invitation(share)["resourceShareInvitationArn"]
    assert (subject, told["sender"]) == ("Meshift: a share waits for you", STRANGER)
    assert told["toAccept"] == {"signal": "accept-share", "invitation": arn}
    assert told["expires"]
    assert ram.status(share) == "PENDING"


@pytest.mark.parametrize(
    "resources",
    [
        [card_arn(), f"arn:aws:ec2:us-east-1:{OWNER}:subnet/subnet-1"],
        [f"arn:aws:ssm:us-east-1:{OWNER}:parameter/prod/password"],
        [f"arn:aws:ssm:us-east-1:{OWNER}:parameter/meshift/meshes/а"],
        [],
    ],
)
def test_a_trusted_senders_other_shares_wait_for_a_person(ram, look, mail, resources):
    share = ram.share(OWNER, resources)
    assert not look()
    assert ram.status(share) == "PENDING"
    assert len(mail()) == 1


def test_who_is_trusted_later_is_accepted_then(ram, look, monkeypatch):
    share = ram.share_card(STRANGER)
    look()
    assert ram.status(share) == "PENDING"
    monkeypatch.setenv("TRUSTED_ACCOUNTS", f"{OWNER},{STRANGER}")
    look()
    assert ram.status(share) == "ACCEPTED"


@pytest.mark.parametrize(
    "body",
    [
        {},
        "not JSON",
        {"detail": {"event": "Resource Share Invitation", "resourceShareInvitationArn": "arn:aws:ram:::x"}},
        {"source": "evil", "account": STRANGER, "detail": {"invitation": "accept me", "status": "ACCEPTED"}},
        {"source": "aws.ram", "account": STRANGER, "resources": [card_arn(STRANGER)], "detail": None},
    ],
)
def test_an_events_body_is_never_believed(ram, look, body):
    strange, trusted = ram.share_card(STRANGER), ram.share_card()
    assert not look(body)
    assert (ram.status(strange), ram.status(trusted)) == ("PENDING", "ACCEPTED")


@pytest.mark.parametrize(
    ("error", "decision"),
    [
        ("ResourceShareInvitationAlreadyAcceptedException", "ACCEPTED"),
        ("ResourceShareInvitationAlreadyRejectedException", "REJECTED"),
        ("ResourceShareInvitationExpiredException", "EXPIRED"),
    ],
)
def test_an_invitation_that_was_answered_meanwhile_is_remembered_as_that(ram, look, error, decision):
    share = ram.share_card()
    ram.failing["AcceptResourceShareInvitation"] = [error]
    look()
    assert remembered().invitation(ram.invitation(share)["resourceShareInvitationArn"]) == decision


@pytest.mark.parametrize(
    "error", ["ResourceShareInvitationExpiredException", "ResourceShareInvitationArnNotFoundException"]
)
def test_an_invitation_that_is_gone_when_it_is_opened_is_no_failure(ram, look, error):
    ram.share_card()
    ram.failing["ListPendingInvitationResources"] = [error]
    assert not look()


@pytest.mark.parametrize("operation", ["ListPendingInvitationResources", "AcceptResourceShareInvitation"])
def test_one_that_fails_holds_up_nobody_and_comes_again(ram, look, operation):
    first, second = ram.share_card(mesh="one"), ram.share_card(mesh="two")
    ram.failing[operation] = ["OperationNotPermittedException"]
    assert look()
    assert sorted([ram.status(first), ram.status(second)]) == ["ACCEPTED", "PENDING"]
    assert not look()
    assert sorted(remembered().cards()) == [f"one@{OWNER}", f"two@{OWNER}"]


@pytest.mark.parametrize(
    "operation",
    [
        "GetResourceShareInvitations",
        "ListPendingInvitationResources",
        "AcceptResourceShareInvitation",
        "ListResources",
        "GetParameter",
    ],
)
def test_throttling_anywhere_loses_nothing(ram, look, operation):
    """Once is retried at once; longer, and the batch comes again."""
    ram.share_card()
    wait_for_mesh()
    ram.failing[operation] = ["ThrottlingException"] * 5
    if operation in ("ListPendingInvitationResources", "AcceptResourceShareInvitation", "GetParameter"):
        assert look()
    else:  # the function fails as a whole, and the batch comes again, too
        with pytest.raises(ClientError, match="Throttling"):
            look()
    assert not look()
    assert remembered().card(MESH) == card()
    assert waiting() == []


def test_what_was_accepted_and_is_not_there_yet_comes_again(ram, look):
    share = ram.share_card()
    for one in ram.ram.associations:
        one["status"] = "ASSOCIATING" if one["associationType"] == "RESOURCE" else one["status"]
    resources = ram.ram._resources
    ram.ram._resources = lambda _: [{"arn": card_arn(), "type": "ssm:Parameter", "resourceShareArn": share}]
    ram.ram.ListResources = lambda *_: {"resources": []}
    assert look()
    ram.ram._resources = resources
    del ram.ram.ListResources
    for one in ram.ram.associations:
        one["status"] = "ASSOCIATED"
    assert not look()
    assert remembered().card(MESH) == card()


def test_a_card_that_cannot_be_read_yet_comes_again_and_one_that_is_gone_does_not(ram, look):
    ram.share_card()
    kept = ram.cards.pop(card_arn())
    assert look()
    assert not look()
    assert remembered().cards() == []
    ram.cards[card_arn()] = kept
    assert not look()
    assert remembered().cards() == [MESH]


@pytest.mark.parametrize(
    "says",
    [
        {"owner": STRANGER},
        {"mesh": "payments"},
        {"region": "eu-west-1"},
        {"api": {"endpoint": "https://evil.example/", "signingName": "lambda"}},
        {"discovery": {"endpoint": "https://abc.lambda-url.us-east-1.on.aws/", "signingName": "sts"}},
    ],
)
def test_a_card_that_lies_is_not_used_and_announced_once(ram, look, mail, says):
    ram.share_card(says=says)
    wait_for_mesh()
    look()
    look()
    ((subject, told),) = mail()
    assert subject == "Meshift: a mesh that is shared is not used"
    assert told["sender"] == OWNER
    assert remembered().cards() == []
    assert waiting() == [f"{MESH}#arn:aws:ecs:us-east-1:{OWN}:service/apps/gone"]


def test_a_card_that_begins_to_lie_is_used_no_more(ram, look):
    ram.share_card()
    look()
    ram.cards[card_arn()] = json.dumps({**card(), "owner": STRANGER})
    look()
    assert remembered().cards() == []


def test_a_card_that_changes_is_read_anew(ram, look):
    ram.share_card()
    look()
    ram.cards[card_arn()] = json.dumps(card(url="https://new.lambda-url.us-east-1.on.aws/"))
    look()
    assert remembered().card(MESH)["api"]["endpoint"] == "https://new.lambda-url.us-east-1.on.aws/"


def test_a_mesh_that_is_shared_no_more_is_forgotten_and_people_are_told(ram, look, mail):
    share = ram.share_card()
    look()
    ram.unshare(share)
    look()
    assert remembered().cards() == []
    ((subject, told),) = mail()
    assert (subject, told["mesh"]) == ("Meshift: a mesh is not shared any more", MESH)


def test_nothing_is_forgotten_while_shares_cannot_be_listed(ram, look):
    ram.share_card()
    look()
    ram.failing["ListResources"] = ["ThrottlingException"] * 3
    with pytest.raises(ClientError, match="Throttling"):
        look()
    assert remembered().cards() == [MESH]


@pytest.fixture
def partial(ram):
    """Let RAM list less than there is, and all of it again: `partial(True)`, `partial(False)`."""

    def switch(on):
        if on:
            ram.ram.ListResources = lambda *_: {"resources": []}
        else:
            del ram.ram.ListResources

    return switch


def test_one_answer_of_ram_that_is_not_whole_forgets_no_mesh_whose_card_can_be_read(
    ram, look, mail, aws, partial, half_a_sweep_later
):
    ram.share_card()
    ram.share_card(mesh="other")
    look()
    known = aws("dynamodb").scan(TableName="rollouts")["Items"]
    partial(True)
    for _ in range(3):  # events come in swarms
        assert not look()
    assert sorted(remembered().cards()) == [MESH, f"other@{OWNER}"]
    partial(False)
    half_a_sweep_later()
    assert not look()
    assert aws("dynamodb").scan(TableName="rollouts")["Items"] == known
    partial(True)
    look()
    assert sorted(remembered().cards()) == [MESH, f"other@{OWNER}"]
    assert mail() == []


def test_a_mesh_that_two_sweeps_do_not_find_is_forgotten_though_its_card_can_be_read(
    ram, look, mail, partial, half_a_sweep_later
):
    ram.share_card()
    look()
    partial(True)
    look()
    half_a_sweep_later()
    look()
    assert remembered().cards() == []
    ((subject, told),) = mail()
    assert (subject, told["mesh"]) == ("Meshift: a mesh is not shared any more", MESH)
    assert "in no share any more" in told["reason"]


def test_who_once_is_not_said_to_be_in_the_organization_keeps_his_mesh_until_the_second_sweep(
    ram, look, mail, organization, half_a_sweep_later
):
    """RAM's list of principals may be short, too."""
    ram.cards = {card_arn(STRANGER): json.dumps(card(STRANGER))}
    ram.share_inside(STRANGER, [card_arn(STRANGER)])
    look()
    ram.ram.ListPrincipals = lambda *_: {"principals": []}
    assert not look()
    assert remembered().cards() == [f"apps@{STRANGER}"]
    assert mail() == []
    half_a_sweep_later()
    look()
    assert remembered().cards() == []
    look()
    assert [subject for subject, _ in mail()] == [
        "Meshift: a mesh is not shared any more",
        "Meshift: a mesh that is shared is not used",
    ]


def test_a_mesh_in_no_share_whose_card_lies_by_now_is_forgotten_at_once(ram, look, partial):
    ram.share_card()
    look()
    partial(True)
    ram.cards[card_arn()] = json.dumps({**card(), "owner": STRANGER})
    look()
    assert remembered().cards() == []


def test_a_mesh_that_is_shared_and_whose_card_is_gone_is_forgotten_by_the_second_sweep(ram, look, half_a_sweep_later):
    ram.share_card()
    look()
    del ram.cards[card_arn()]
    look()
    assert remembered().cards() == [MESH]
    half_a_sweep_later()
    look()
    assert remembered().cards() == []


def test_whom_the_stack_trusts_no_more_has_his_mesh_forgotten_at_once(ram, look, mail, monkeypatch):
    ram.share_card()
    look()
    monkeypatch.setenv("TRUSTED_ACCOUNTS", STRANGER)
    look()
    assert remembered().cards() == []
    assert {subject for subject, _ in mail()} == {
        "Meshift: a mesh that is shared is not used",
        "Meshift: a mesh is not shared any more",
    }


def test_a_share_that_cannot_be_judged_now_keeps_its_mesh_and_holds_up_the_end_of_no_other(ram, look, monkeypatch):
    """A stuck share must not keep alive what is not shared any more."""
    kept, gone = ram.share_card(mesh="kept"), ram.share_card(mesh="gone")
    look()
    monkeypatch.setenv("TRUSTED_ACCOUNTS", "")
    monkeypatch.setenv("TRUSTED_ORGANIZATION", ORGANIZATION)
    ram.unshare(gone)
    ram.failing["ListPrincipals"] = ["ThrottlingException"] * 3
    assert look()
    assert ram.status(kept) == "ACCEPTED"
    assert remembered().cards() == [f"kept@{OWNER}"]


def test_a_share_without_an_invitation_is_judged_the_same(ram, look, mail):
    ram.cards = {card_arn(account): json.dumps(card(account)) for account in (OWNER, STRANGER)}
    ram.share_inside(OWNER, [card_arn()])
    ram.share_inside(STRANGER, [card_arn(STRANGER)])
    ram.share_inside(STRANGER, [f"arn:aws:ec2:us-east-1:{STRANGER}:subnet/subnet-1"])
    look()
    look()
    assert remembered().cards() == [MESH]
    ((_, told),) = mail()
    assert told["sender"] == STRANGER


def test_inside_the_trusted_organization_ram_says_who_is_inside(ram, look, organization):
    """This account need not be the management account for that."""
    ram.cards = {card_arn(STRANGER): json.dumps(card(STRANGER))}
    ram.share_inside(STRANGER, [card_arn(STRANGER)])
    look()
    assert remembered().cards() == [f"apps@{STRANGER}"]


@pytest.mark.parametrize("principal", ["organization", "unit"])
@pytest.mark.parametrize("body", [None, {"detail-type": "Scheduled Event", "source": "aws.events"}])
def test_what_is_shared_with_the_organization_or_its_unit_is_used_without_an_invitation(
    ram, look, organization, principal, body
):
    """By RAM's event, and by the schedule."""
    members, unit = frozenset({OWN, OWNER}), "ou-abcd-12345678"
    ram.ram.find_organization = lambda: Organization(organization, OWN, members, {unit: frozenset({OWN})})
    ram.ram.shares_inside = True
    where = f"arn:aws:organizations::{OWN}:"
    arns = {"organization": f"{where}organization/{organization}", "unit": f"{where}ou/{organization}/{unit}"}
    ram.cards[card_arn()] = json.dumps(card())
    ram.share(OWNER, [card_arn()], to=arns[principal])
    wait_for_mesh()
    assert not look(*([body] if body else []))
    assert remembered().cards() == [MESH]
    assert waiting() == []
    assert ram.ram.invitations == {}


def test_an_invitation_is_accepted_from_a_member_of_the_trusted_organization_only(ram, look, organization):
    made = client("organizations").create_account(Email="a@example.com", AccountName="a")["CreateAccountStatus"]
    member, stranger = ram.share_card(made["AccountId"]), ram.share_card(STRANGER)
    assert not look()
    assert (ram.status(member), ram.status(stranger)) == ("ACCEPTED", "PENDING")


def test_organizations_out_of_reach_trusts_nobody(ram, look, monkeypatch):
    monkeypatch.setenv("TRUSTED_ORGANIZATION", ORGANIZATION)
    monkeypatch.setenv("TRUSTED_ACCOUNTS", "")
    share = ram.share_card()
    ram.share_inside(OWNER, [card_arn(OWNER, "inside")])
    assert not look()
    assert ram.status(share) == "PENDING"
    assert remembered().cards() == []


def test_who_is_listed_is_not_asked_for_in_organizations(ram, look, monkeypatch):
    monkeypatch.setenv("TRUSTED_ORGANIZATION", ORGANIZATION)
    ram.share_card()
    look()
    assert remembered().cards() == [MESH]
    assert ram.asked("ListPrincipals") == []


def test_an_invitation_with_little_time_left_is_announced_once_more_and_its_end_too(ram, look, mail):
    share = ram.share_card(STRANGER)
    look()
    ram.invitation(share)["invitationTimestamp"] -= (INVITATION_LIVES - timedelta(hours=2)).total_seconds()
    look()
    look()
    ram.ram.expire(ram.invitation(share)["resourceShareInvitationArn"])
    look()
    look()
    assert {subject for subject, _ in mail()} == {
        "Meshift: a share waits for you",
        "Meshift: a share soon expires",
        "Meshift: a share has expired",
    }
    assert len(mail()) == 3


def test_what_waits_is_counted_and_the_age_of_the_oldest_told(ram, look, monkeypatch, capsys):
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "false")
    metrics.clear_metrics()  # of other tests
    old, _ = ram.share_card(STRANGER), ram.share_card(STRANGER, "other")
    ram.invitation(old)["invitationTimestamp"] -= 3600
    ram.share_card()
    look()
    told = {}
    for line in capsys.readouterr().out.splitlines():
        told |= {name: value for name, value in json.loads(line).items() if name[0] in "SO"}
    assert (told["SharesWaiting"], told["ShareRefused"], told["ShareAccepted"]) == ([2.0], [1.0, 1.0], [1.0])
    assert 3600 <= told["OldestShareWaiting"][0] < 3700


def test_in_appmesh_mode_the_mesh_itself_sets_free_and_cards_do_not(ram, look, monkeypatch):
    monkeypatch.setenv("CONTROL_PLANE", "appmesh")
    wait_for_mesh()
    ram.share_card()
    look()
    assert len(waiting()) == 1
    ram.share(OWNER, [f"arn:aws:appmesh:us-east-1:{OWNER}:mesh/apps"])
    look()
    assert waiting() == []
    assert remembered().cards() == []


def test_a_service_that_waits_for_a_mesh_that_is_there_already_goes_on_at_the_next_look(ram, look):
    ram.share_card()
    look()
    wait_for_mesh()
    wait_for_mesh(f"apps@{STRANGER}")
    look()
    assert waiting() == [f"apps@{STRANGER}#arn:aws:ecs:us-east-1:{OWN}:service/apps/gone"]
