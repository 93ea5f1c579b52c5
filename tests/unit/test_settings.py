import pytest

from domain.errors import InvalidSetting
from settings import Settings


def test_lists_are_read_with_their_spaces_and_empty_ones_are_empty():
    settings = Settings.from_env({"AWS_REGION": "us-east-1", "TRUSTED_ACCOUNTS": "111111111111, 222222222222"})
    assert settings.trusted_accounts == {"111111111111", "222222222222"}
    assert settings.share_resource_types == frozenset()
    assert settings.mesh_endpoint is None


def test_a_trusted_account_of_eleven_digits_is_refused():
    with pytest.raises(InvalidSetting, match="TrustedAccounts: '11111111111' is not an account id"):
        Settings.from_env({"AWS_REGION": "us-east-1", "TRUSTED_ACCOUNTS": "11111111111"})


@pytest.mark.parametrize("vpc", ["vpc-1", "subnet-12345678", "vpc-1234567é", "vpc-12345678\nvpc-12345678", "*"])
def test_what_is_no_vpc_is_refused(vpc):
    with pytest.raises(InvalidSetting, match=r"ServiceNetworkVpcs: .* is not the id of a VPC"):
        Settings.from_env({"AWS_REGION": "us-east-1", "SERVICE_NETWORK_VPCS": vpc})


def test_a_vpc_that_is_named_twice_is_one():
    settings = Settings.from_env({"AWS_REGION": "us-east-1", "SERVICE_NETWORK_VPCS": "vpc-12345678, vpc-12345678"})
    assert settings.service_network_vpcs == ("vpc-12345678",)
