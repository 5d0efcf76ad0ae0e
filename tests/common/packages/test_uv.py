"""Tests that the indexes and certificates configured for pip reach uv."""

from pathlib import Path

import pytest

from common.packages import uv
from common.packages.uv import as_uv_variables, parse_options, pip_options, uv_environment, without_local_paths

LISTING = """\
:env:.find-links='/from/environment'
:env:.default-timeout='180'
download.find-links='/not/for/installing'
global.find-links='/from/file'
global.index-url='https://index.example/simple'
install.index-url='https://install.example/it=s'
global.trusted_host='a.example\\nb.example'
"""


def test_variables_override_the_install_section_which_overrides_the_global_one() -> None:
    assert parse_options(LISTING) == {
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
    ],
)
def test_option_of_pip_becomes_a_variable_of_uv(options: dict[str, str], variables: dict[str, str]) -> None:
    assert as_uv_variables(options) == variables


def test_missing_folders_of_wheels_are_left_out(tmp_path: Path) -> None:
    links = f"{tmp_path} {tmp_path}/missing https://wheels.example/"
    assert as_uv_variables({"find-links": links}) == {"UV_FIND_LINKS": f"{tmp_path},https://wheels.example/"}


def test_indexes_that_are_files_of_this_machine_can_be_left_out() -> None:
    options = {"extra-index-url": "file:///opt/index https://a.example/s", "find-links": "/opt/wheels", "timeout": "9"}
    assert without_local_paths(options) == {"extra-index-url": "https://a.example/s", "find-links": "", "timeout": "9"}


def test_variables_set_for_uv_override_the_configuration_of_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"index-url": "https://pip.example/", "extra-index-url": "https://more.example/", "cert": "/pip.pem"}
    monkeypatch.setattr(uv, "pip_options", lambda: options)
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
