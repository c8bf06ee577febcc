"""A port is ours or it is said why not."""

import socket

import pytest

from app.listening import CannotListen, address_of, listening


def test_a_free_port_is_taken_and_said() -> None:
    with listening("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]

        assert address_of(listener) == f"http://127.0.0.1:{port}"
        socket.create_connection(("127.0.0.1", port), timeout=1).close()


def test_a_port_in_use_is_refused_with_another_to_choose() -> None:
    with listening("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]

        with pytest.raises(CannotListen, match=f"Port {port} on 127.0.0.1 is in use"):
            listening("127.0.0.1", port).__enter__()
        with pytest.raises(CannotListen, match=f"another: PORT={port + 1}"):
            listening("127.0.0.1", port).__enter__()
        with pytest.raises(CannotListen, match=f"another: METRICS_PORT={port + 1}"):
            listening("127.0.0.1", port, setting="METRICS_PORT=").__enter__()


def test_a_port_is_free_again_at_once() -> None:
    with listening("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]

    with listening("127.0.0.1", port) as again:
        assert again.getsockname()[1] == port


@pytest.mark.parametrize("host", ["no-such-host.invalid", "203.0.113.7", "x" * 300])
def test_an_address_of_another_machine_is_refused(host: str) -> None:
    with pytest.raises(CannotListen, match=host[:20]):
        listening(host, 0).__enter__()


def test_a_browser_is_sent_to_this_machine_when_all_addresses_are_listened_on() -> None:
    with listening("0.0.0.0", 0) as listener:  # noqa: S104 - the case
        assert address_of(listener).startswith("http://127.0.0.1:")
