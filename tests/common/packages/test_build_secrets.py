"""Tests of which parts of the site's configuration an image build receives."""

from pathlib import Path

import pytest

from common.errors import UsageError
from common.packages.build_secrets import ca_bundle, pip_config, proxy_arguments


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ""),
        ({"find-links": "/opt/wheels", "extra-index-url": "file:///opt/index"}, ""),
        ({"cert": "/etc/ca.pem", "require-virtualenv": "1"}, ""),
        ({"index-url": "https://a.example/simple"}, "[global]\nindex-url = https://a.example/simple\n"),
        (
            {"extra-index-url": "https://a.example file:///b https://c.example", "timeout": "9"},
            "[global]\nextra-index-url = https://a.example\n    https://c.example\ntimeout = 9\n",
        ),
    ],
)
def test_pip_configuration_contains_only_what_a_build_can_reach(options: dict[str, str], expected: str) -> None:
    assert pip_config(options) == expected


def test_first_existing_bundle_is_used_and_a_missing_ca_bundle_is_refused(tmp_path: Path) -> None:
    own, other = tmp_path / "own.pem", tmp_path / "other.pem"
    own.touch()
    other.touch()
    assert ca_bundle({"CA_BUNDLE": str(own), "SSL_CERT_FILE": str(other)}) == own
    assert ca_bundle({"REQUESTS_CA_BUNDLE": str(tmp_path), "SSL_CERT_FILE": str(other)}) == other
    with pytest.raises(UsageError, match=r"^invalid CA_BUNDLE=.*missing\.pem: must be a file"):
        ca_bundle({"CA_BUNDLE": str(tmp_path / "missing.pem")})


def test_proxies_are_passed_by_name_without_their_values() -> None:
    env = {"HTTPS_PROXY": "http://user:secret@proxy.example", "no_proxy": "localhost", "HTTP_PROXY": ""}
    assert list(proxy_arguments(env)) == ["--build-arg=HTTPS_PROXY", "--build-arg=no_proxy"]
