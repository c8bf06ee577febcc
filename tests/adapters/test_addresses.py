"""Which hosts are this machine, and which addresses lead into a private network."""

import pytest

from adapters.addresses import is_private, is_this_machine


@pytest.mark.parametrize("host", ["localhost", "app.localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine_is_known_by_its_names(host: str) -> None:
    assert is_this_machine(host)


@pytest.mark.parametrize("host", ["localhost.example.com", "10.0.0.1", "example.com", ""])
def test_other_machines_are_others(host: str) -> None:
    assert not is_this_machine(host)


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "192.168.1.1",
        "172.16.0.1",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 - looked at, not listened on
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "2002:a00:1::",
        "2001:0:a00:1::",
        "fc00::1",
        "fe80::1",
        "fe80::1%eth0",
        "ff02::1",
    ],
)
def test_private_addresses_are_private_however_they_are_written(address: str) -> None:
    assert is_private(address)


@pytest.mark.parametrize("host", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "example.com"])
def test_public_addresses_and_names_are_not_private(host: str) -> None:
    assert not is_private(host)
