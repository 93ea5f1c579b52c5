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
