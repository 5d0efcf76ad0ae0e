"""A server is loaded without a question only on this machine."""

import socket
from typing import Any

import psutil
import pytest

from common.errors import UsageError
from common.host.addresses import require_consent

ELSEWHERE = "192.0.2.7"  # reserved for documentation (RFC 5737)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "::1", "0.0.0.0"])  # noqa: S104 -- not bound
def test_the_loopback_is_this_machine(host: str) -> None:
    require_consent(host, url=f"http://{host}", foreign_url=False)


def test_every_address_of_this_machine_is_its_own() -> None:
    for device in psutil.net_if_addrs().values():
        for one in device:
            if one.family in {socket.AF_INET, socket.AF_INET6}:
                require_consent(one.address, url="http://own", foreign_url=False)


def test_an_address_elsewhere_needs_consent() -> None:
    message = rf"^URL=http://{ELSEWHERE} is a server elsewhere: {ELSEWHERE} is not an address of .*FOREIGN_URL=yes\.$"
    with pytest.raises(UsageError, match=message):
        require_consent(ELSEWHERE, url=f"http://{ELSEWHERE}", foreign_url=False)
    require_consent(ELSEWHERE, url=f"http://{ELSEWHERE}", foreign_url=True)


def test_a_name_is_shown_with_its_addresses_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*_: Any) -> list[Any]:  # noqa: ANN401 -- as the function whose place it takes
        return [(socket.AF_INET, 0, 0, "", (address, 0)) for address in ("127.0.0.1", ELSEWHERE)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(UsageError, match=rf"app\.example \({ELSEWHERE}\) is not an address of this machine"):
        require_consent("app.example", url="http://app.example", foreign_url=False)


@pytest.mark.parametrize("host", ["no-such-host.invalid", f"{'x' * 70}.invalid"])
def test_a_name_that_does_not_resolve_is_named(host: str) -> None:
    with pytest.raises(UsageError, match=rf"^URL=http://{host} cannot be resolved: .+\. Use a name that resolves\.$"):
        require_consent(host, url=f"http://{host}", foreign_url=False)
