"""Service networks of VPC Lattice that come in a share: told, associated with the VPCs that the stack names."""

import json
from fnmatch import fnmatchcase

import pytest

from gateways.shared import NETWORKS, Shared
from tests.cloud.stack import stack_of
from tests.lattice import answered_lattice, network_arn
from tests.shapes import OWNER, STRANGER

NETWORK = network_arn(OWNER)
VPC, OTHER = "vpc-0123456789abcdef0", "vpc-89abcdef"
SHARED, DONE, NOT = (
    "Meshift: a service network is shared with you",
    "Meshift: a VPC is associated with a service network",
    "Meshift: a VPC is not associated with a service network",
)
CREATE = "CreateServiceNetworkVpcAssociation"


@pytest.fixture
def lattice(ram, monkeypatch):
    """VPC Lattice, which shares NETWORK; the stack names two VPCs."""
    monkeypatch.setenv("SERVICE_NETWORK_VPCS", f"{VPC},{OTHER}")
    with answered_lattice({NETWORK}) as found:
        yield found


def told(mail, subject):
    return [each for name, each in mail() if name == subject]


def vpcs(lattice):
    return [each["vpcId"] for each in lattice.associations.values()]


def test_without_vpcs_a_network_is_accepted_and_announced_once_and_nothing_is_associated(
    ram, lattice, look, mail, monkeypatch
):
    monkeypatch.setenv("SERVICE_NETWORK_VPCS", "")
    share = ram.share(OWNER, [NETWORK])
    look()
    look()
    assert ram.status(share) == "ACCEPTED"
    ((subject, found),) = mail()
    assert (subject, found["network"], found["toDo"]) == (SHARED, NETWORK, "associate your VPCs with it")
    assert lattice.calls == []


def test_each_vpc_is_associated_once_and_people_are_told(ram, lattice, look, mail):
    ram.share(OWNER, [NETWORK])
    look()
    look()
    assert vpcs(lattice) == [VPC, OTHER]
    first, second = lattice.asked(CREATE)
    assert (first["serviceNetworkIdentifier"], first["vpcIdentifier"]) == (NETWORK, VPC)
    assert first["clientToken"] != second["clientToken"]
    assert [each["vpc"] for each in told(mail, DONE)] == [VPC, OTHER]
    assert len(told(mail, SHARED)) == 1


def test_the_calls_are_what_the_stack_allows_and_for_no_other_vpc(ram, lattice, look):
    """Least privilege: the flows of tests/integration/test_least_privilege.py know no service networks."""
    ram.share(OWNER, [NETWORK])
    look()
    statements = stack_of(ServiceNetworkVpcs=f"{VPC},{OTHER}").statements("AcceptSharesRole")
    allowed = {each["Action"]: each for each in statements if str(each["Action"]).startswith("vpc-lattice:")}
    assert {f"vpc-lattice:{operation}" for operation, _ in lattice.calls} == set(allowed)
    for operation, asked in lattice.calls:
        statement = allowed[f"vpc-lattice:{operation}"]
        assert asked["vpcIdentifier"] in statement["Condition"]["StringEquals"]["vpc-lattice:VpcId"]
        network = asked.get("serviceNetworkIdentifier", "*")
        assert any(fnmatchcase(network, pattern) for pattern in statement["Resource"])


def test_a_network_that_came_without_an_invitation_is_told_and_associated_the_same(ram, lattice, look, mail):
    ram.share_inside(OWNER, [NETWORK])
    look()
    assert vpcs(lattice) == [VPC, OTHER]
    assert len(told(mail, SHARED)) == 1


def test_a_network_of_nobody_who_is_trusted_is_not_associated_and_people_are_told_once(ram, lattice, look, mail):
    ram.share_inside(STRANGER, [network_arn(STRANGER)])
    look()
    look()
    assert lattice.calls == []
    ((subject, _),) = mail()
    assert subject == "Meshift: a service network that is shared is not used"


def test_a_type_that_is_not_allowed_is_not_associated(ram, lattice, look, monkeypatch):
    monkeypatch.setenv("SHARE_RESOURCE_TYPES", "ssm:Parameter")
    ram.share_inside(OWNER, [NETWORK])
    look()
    assert lattice.calls == []


def test_an_association_that_is_there_is_found_on_any_page_and_not_made_again(ram, lattice, look, mail):
    for number in range(1, 4):
        lattice.add(network_arn(STRANGER, number), VPC)
    lattice.add(NETWORK, VPC)
    lattice.page = 2
    ram.share(OWNER, [NETWORK])
    look()
    assert [asked["vpcIdentifier"] for asked in lattice.asked(CREATE)] == [OTHER]
    assert len(told(mail, DONE)) == 2


def test_somebody_who_was_faster_did_it_too(ram, lattice, look, mail):
    """A look beside this one made it between the question and the write."""
    make = lattice.CreateServiceNetworkVpcAssociation

    def meanwhile(asked):
        lattice.add(NETWORK, asked["vpcIdentifier"])
        return make(asked)

    lattice.CreateServiceNetworkVpcAssociation = meanwhile
    ram.share(OWNER, [NETWORK])
    assert not look()
    assert vpcs(lattice) == [VPC, OTHER]
    assert told(mail, NOT) == []


@pytest.mark.parametrize(
    "error", ["AccessDeniedException", "ConflictException", "ServiceQuotaExceededException", "ValidationException"]
)
@pytest.mark.parametrize("operation", [CREATE, "ListServiceNetworkVpcAssociations"])
def test_what_lattice_refuses_is_announced_once_holds_up_no_other_vpc_and_is_tried_again(
    ram, lattice, look, mail, operation, error
):
    ram.share(OWNER, [NETWORK])
    for _ in range(2):
        lattice.failing[operation] = [error]
        assert not look()
    assert vpcs(lattice) == [OTHER]
    ((found),) = told(mail, NOT)
    assert found["vpc"] == VPC
    assert error in found["outcome"]
    look()
    assert vpcs(lattice) == [OTHER, VPC]
    assert [each["vpc"] for each in told(mail, DONE)] == [OTHER, VPC]


@pytest.mark.parametrize("operation", [CREATE, "ListServiceNetworkVpcAssociations"])
@pytest.mark.parametrize("error", ["ThrottlingException", "InternalServerException"])
def test_what_may_pass_comes_again_with_the_batch_and_loses_nothing(ram, lattice, look, mail, operation, error):
    ram.share_card()
    ram.share(OWNER, [NETWORK])
    lattice.failing[operation] = [error] * 3
    assert look()
    assert not look()
    assert vpcs(lattice) == [VPC, OTHER]
    assert len(told(mail, DONE)) == 2
    assert told(mail, NOT) == []


@pytest.mark.parametrize("status", ["CREATE_FAILED", "DELETE_FAILED"])
def test_an_association_that_broke_is_announced_and_made_anew_once_it_is_deleted(ram, lattice, look, mail, status):
    broken = lattice.add(NETWORK, VPC, status)
    ram.share(OWNER, [NETWORK])
    look()
    (found,) = told(mail, NOT)
    assert broken["id"] in found["outcome"]
    assert "delete it" in found["outcome"]
    del lattice.associations[broken["id"]]
    look()
    assert sorted(vpcs(lattice)) == sorted([VPC, OTHER])


def test_one_that_is_being_deleted_is_waited_for_and_then_made_with_another_token(ram, lattice, look, mail):
    ram.share(OWNER, [NETWORK])
    look()
    (found,) = [each for each in lattice.associations.values() if each["vpcId"] == VPC]
    found["status"] = "DELETE_IN_PROGRESS"
    assert not look()
    assert len(lattice.asked(CREATE)) == 2
    del lattice.associations[found["id"]]
    look()
    tokens = [each["clientToken"] for each in lattice.asked(CREATE) if each["vpcIdentifier"] == VPC]
    assert len(set(tokens)) == 2
    assert [each["vpc"] for each in told(mail, DONE)] == [VPC, OTHER, VPC]


def test_a_network_that_two_sweeps_do_not_find_is_announced_as_unshared_and_its_associations_stay(
    ram, lattice, look, mail, half_a_sweep_later
):
    share = ram.share(OWNER, [NETWORK])
    look()
    ram.unshare(share)
    look()
    gone = "Meshift: a service network is not shared any more"
    assert told(mail, gone) == []
    half_a_sweep_later()
    look()
    (found,) = told(mail, gone)
    assert (found["network"], found["vpcs"]) == (NETWORK, [VPC, OTHER])
    assert vpcs(lattice) == [VPC, OTHER]
    assert Shared("rollouts").known(NETWORKS) == {}


def test_a_network_that_is_there_again_is_not_unshared(ram, lattice, look, mail, aws, half_a_sweep_later):
    ram.share(OWNER, [NETWORK])
    look()
    ram.ram.ListResources = lambda *_: {"resources": []}
    look()
    del ram.ram.ListResources
    half_a_sweep_later()
    look()
    assert Shared("rollouts").known(NETWORKS) == {NETWORK: None}
    assert json.loads(aws("dynamodb").get_item(
        TableName="rollouts", Key={"pk": {"S": "networks"}, "sk": {"S": NETWORK}}
    )["Item"]["value"]["S"]).keys() == {VPC, OTHER}  # fmt: skip
    assert [subject for subject, _ in mail()] == [SHARED, DONE, DONE]
