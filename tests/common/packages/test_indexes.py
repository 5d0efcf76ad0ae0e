"""The indexes and certificates configured for pip reach uv, and image builds as far as they apply there."""

import shutil
from pathlib import Path

import certifi
import pytest

from common.errors import UsageError
from common.packages import indexes
from common.packages.indexes import (
    as_uv_variables,
    ca_bundle,
    parse_options,
    pip_config,
    pip_options,
    proxy_arguments,
    uv_environment,
    without_local_paths,
)

LISTING = """\
:env:.find-links='/from/environment'
:env:.default-timeout='180'
download.find-links='/not/for/installing'
global.cert='~/ca.pem'
global.find-links='/from/file'
global.index-url='https://index.example/simple'
install.index-url='https://install.example/it=s'
global.trusted_host='a.example\\nb.example'
"""


def test_variables_override_the_install_section_which_overrides_the_global_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert parse_options(LISTING) == {
        "cert": "/home/me/ca.pem",
        "default-timeout": "180",
        "find-links": "/from/environment",
        "index-url": "https://install.example/it=s",
        "trusted-host": "a.example\nb.example",
    }


@pytest.mark.parametrize(
    ("options", "variables"),
    [
        ({}, {}),
        ({"default-timeout": "180"}, {}),
        ({"index-url": "https://a.example/s"}, {"UV_DEFAULT_INDEX": "https://a.example/s"}),
        (
            {"extra-index-url": "https://a.example/s\nhttps://b.example/s"},
            {"UV_INDEX": "https://a.example/s https://b.example/s", "UV_INDEX_STRATEGY": "unsafe-best-match"},
        ),
        ({"trusted-host": "a.example b.example"}, {"UV_INSECURE_HOST": "a.example b.example"}),
        ({"cert": "/etc/ca.pem"}, {"SSL_CERT_FILE": "/etc/ca.pem"}),
        ({"proxy": "http://proxy:3128"}, {"HTTP_PROXY": "http://proxy:3128", "HTTPS_PROXY": "http://proxy:3128"}),
    ],
)
def test_option_of_pip_becomes_a_variable_of_uv(options: dict[str, str], variables: dict[str, str]) -> None:
    assert as_uv_variables(options) == variables


def test_missing_folders_of_wheels_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "wheels").mkdir()
    links = f"{tmp_path} {tmp_path}/missing ~/wheels https://wheels.example/"
    assert as_uv_variables({"find-links": links}) == {
        "UV_FIND_LINKS": f"{tmp_path},{tmp_path}/wheels,https://wheels.example/"
    }


def test_indexes_that_are_files_of_this_machine_can_be_left_out() -> None:
    options = {"extra-index-url": "file:///opt/index https://a.example/s", "find-links": "/opt/wheels", "timeout": "9"}
    assert without_local_paths(options) == {"extra-index-url": "https://a.example/s", "find-links": "", "timeout": "9"}


def test_variables_set_for_uv_override_the_configuration_of_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"index-url": "https://pip.example/", "extra-index-url": "https://more.example/", "cert": "/pip.pem"}
    monkeypatch.setattr(indexes, "pip_options", lambda: options)
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_INDEX_URL", "https://uv.example/")
    monkeypatch.setenv("SSL_CERT_FILE", "/uv.pem")
    monkeypatch.setenv("UV_INDEX_STRATEGY", "first-index")
    variables = uv_environment()
    assert "UV_DEFAULT_INDEX" not in variables
    assert variables["UV_INDEX"] == "https://more.example/"
    assert variables["SSL_CERT_FILE"] == "/uv.pem"
    assert variables["UV_INDEX_STRATEGY"] == "first-index"
    monkeypatch.setenv("UV_INDEX", "https://own.example/")
    assert uv_environment()["UV_INDEX"] == "https://own.example/"


def test_proxy_of_the_environment_overrides_that_of_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(indexes, "pip_options", lambda: {"proxy": "http://pip:1"})
    monkeypatch.setenv("https_proxy", "http://own:2")
    variables = uv_environment()
    assert {name: value for name, value in variables.items() if name.casefold().endswith("_proxy")} == {
        "HTTP_PROXY": "http://pip:1",
        "https_proxy": "http://own:2",
    }


def test_options_are_read_from_pips_files_and_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "pip.conf"
    file.write_text("[global]\nindex-url = https://file.example/\nextra-index-url =\n  https://one.example/\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    monkeypatch.setenv("PIP_TRUSTED_HOST", "variable.example")
    pip_options.cache_clear()
    try:
        options = pip_options()
    finally:
        pip_options.cache_clear()
    assert options["index-url"] == "https://file.example/"
    assert options["extra-index-url"].split() == ["https://one.example/"]
    assert options["trusted-host"] == "variable.example"


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


def test_first_existing_bundle_is_used_and_a_missing_ca_bundle_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, other, pips = (shutil.copy(certifi.where(), tmp_path / name) for name in ("own.pem", "other.pem", "pips.pem"))
    monkeypatch.setattr(indexes, "pip_options", lambda: {"cert": str(pips)})
    assert ca_bundle({"CA_BUNDLE": str(own), "SSL_CERT_FILE": str(other)}) == own
    assert ca_bundle({"REQUESTS_CA_BUNDLE": str(tmp_path), "SSL_CERT_FILE": str(other)}) == other
    assert ca_bundle({"REQUESTS_CA_BUNDLE": "", "SSL_CERT_FILE": str(tmp_path / "missing.pem")}) == pips
    with pytest.raises(UsageError, match=r"^invalid CA_BUNDLE=.*missing\.pem: must be a file"):
        ca_bundle({"CA_BUNDLE": str(tmp_path / "missing.pem")})


@pytest.mark.parametrize("name", ["CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_bundle_without_certificates_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "README.md").write_text("no certificates\n")
    with pytest.raises(
        UsageError, match=rf"^invalid {name}=.*README\.md: must be a file of certificates in PEM format"
    ):
        ca_bundle({name: str(tmp_path / "README.md")})


def test_bundle_without_certificates_that_pip_names_is_said_to_be_pips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "README.md").write_text("no certificates\n")
    monkeypatch.setattr(indexes, "pip_options", lambda: {"cert": str(tmp_path / "README.md")})
    with pytest.raises(UsageError, match=r"^invalid cert=.*README\.md in pip's configuration: must be a file of cert"):
        ca_bundle({})


def test_proxies_are_passed_by_name_without_their_values() -> None:
    env = {"HTTPS_PROXY": "http://user:secret@proxy.example", "no_proxy": "localhost", "HTTP_PROXY": ""}
    assert list(proxy_arguments(env)) == ["--build-arg=HTTPS_PROXY", "--build-arg=no_proxy"]
