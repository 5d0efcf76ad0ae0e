"""Settings that would leak, mislead or cost money are refused before anything is called."""

import pytest

from common.errors import UsageError
from tests.support.fargate_settings import REGISTRY, fargate_settings


@pytest.mark.parametrize("registry", [REGISTRY, "registry.test", "127.0.0.1:5000/team"])
def test_a_registry_without_a_login_is_accepted(registry: str) -> None:
    fargate_settings(registry=registry).check()


@pytest.mark.parametrize("registry", ["user:sesame@registry.test", "user@registry.test/team", f"AWS:sesame@{REGISTRY}"])
def test_a_login_in_the_registrys_address_is_refused_without_repeating_it(registry: str) -> None:
    with pytest.raises(UsageError, match=r"REGISTRY=: it holds a user or a password.*docker login") as refusal:
        fargate_settings(registry=registry).check()
    assert "sesame" not in str(refusal.value)
