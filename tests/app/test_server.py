"""Connections that are slow, endless or torn, on a real socket."""

import socket
import time
from collections.abc import Iterator

import pytest

from app.server import HEAD_BYTES_MAX, GuardedProtocol
from tests.app.client import served
from tests.app.toy import Toy

PATIENCE_SECONDS = 0.4
HEAD = b"POST /graphql HTTP/1.1\r\nhost: toy\r\ncontent-type: application/json\r\n"
HELLO = b'{"query": "{ hello }"}'
LENGTH = b"content-length: %d\r\n\r\n"


class Impatient(GuardedProtocol):
    """The same, with less patience."""

    head_seconds_max = PATIENCE_SECONDS


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    toy = Toy(body_seconds_max=PATIENCE_SECONDS)
    with served(toy.app(), Impatient) as address:
        yield address


@pytest.fixture
def connection(address: tuple[str, int]) -> Iterator[socket.socket]:
    with socket.create_connection(address, timeout=10) as connection:
        yield connection


def until_closed(connection: socket.socket) -> bytes:
    """All that comes until the server ends the connection."""
    received = b""
    while chunk := connection.recv(65_536):
        received += chunk
    return received


def status(received: bytes) -> int:
    return int(received.split(b" ", 2)[1])


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"\r\n",
        b"P",
        b"POST /graphql HTTP/1.1\r\nhost: toy\r\n",
        b"GET /graphql HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n",
    ],
)
def test_a_head_that_does_not_come_is_not_waited_for(
    connection: socket.socket, beginning: bytes
) -> None:
    begun = time.perf_counter()
    connection.sendall(beginning)

    received = until_closed(connection)

    assert status(received) == 408
    assert time.perf_counter() - begun < PATIENCE_SECONDS + 2


def test_a_head_that_drips_has_no_more_time(connection: socket.socket) -> None:
    connection.sendall(HEAD)
    begun = time.perf_counter()
    received = b""
    while not received and time.perf_counter() - begun < 5:
        connection.sendall(b"x: y\r\n")
        connection.settimeout(0.05)
        try:
            received = connection.recv(1_024)
        except TimeoutError:
            continue

    assert status(received) == 408
    assert time.perf_counter() - begun < PATIENCE_SECONDS + 2


def test_a_head_without_end_is_refused(connection: socket.socket) -> None:
    connection.sendall(HEAD)
    connection.sendall(b"x: ".ljust(HEAD_BYTES_MAX - len(HEAD) + 1, b"y"))

    assert status(until_closed(connection)) == 431


def test_a_body_that_does_not_come_is_not_waited_for(connection: socket.socket) -> None:
    connection.sendall(HEAD + LENGTH % 100 + b'{"query"')

    received = until_closed(connection)

    assert status(received) == 408
    assert b'"BAD_REQUEST"' in received


def test_a_body_declared_too_large_is_refused_unread(connection: socket.socket) -> None:
    connection.sendall(HEAD + LENGTH % 65_537)

    received = until_closed(connection)

    assert status(received) == 413
    assert b"65536 bytes" in received


def test_a_chunked_body_is_counted_as_it_comes(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"transfer-encoding: chunked\r\n\r\n")
    for _ in range(9):
        connection.sendall(b"2000\r\n" + b" " * 0x2000 + b"\r\n")

    assert status(until_closed(connection)) == 413


def test_what_still_comes_of_a_body_after_its_answer_is_answered_by_nothing(
    connection: socket.socket,
) -> None:
    connection.sendall(HEAD.replace(b"POST", b"PUT") + LENGTH % (2 * HEAD_BYTES_MAX))
    answer = connection.recv(65_536)
    connection.sendall(b" " * (HEAD_BYTES_MAX + 1))

    rest = until_closed(connection)

    assert (status(answer), rest) == (405, b"")


def test_a_body_that_comes_after_its_answer_may_be_followed_by_another_request(
    connection: socket.socket,
) -> None:
    connection.sendall(HEAD.replace(b"POST", b"PUT") + LENGTH % 5)
    answer = connection.recv(65_536)
    connection.sendall(b"12345" + HEAD + LENGTH % len(HELLO) + HELLO)

    assert (status(answer), status(connection.recv(65_536))) == (405, 200)


@pytest.mark.parametrize("size", [65_535, 65_536])
def test_a_body_of_the_largest_size_is_answered(connection: socket.socket, size: int) -> None:
    body = HELLO.ljust(size)
    connection.sendall(HEAD + b"connection: close\r\n" + LENGTH % size + body)

    received = until_closed(connection)

    assert status(received) == 200
    assert b"hello world" in received


def test_a_body_in_pieces_is_put_together(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"connection: close\r\ntransfer-encoding: chunked\r\n\r\n")
    for byte in HELLO:
        connection.sendall(b"1\r\n%c\r\n" % byte)
    connection.sendall(b"0\r\n\r\n")

    assert b"hello world" in until_closed(connection)


def test_a_connection_answers_one_request_after_another(connection: socket.socket) -> None:
    for _ in range(3):
        connection.sendall(HEAD + LENGTH % len(HELLO) + HELLO)
        received = b""
        while b"hello world" not in received:
            received += connection.recv(65_536)

        assert status(received) == 200


def test_an_idle_connection_is_ended(connection: socket.socket) -> None:
    connection.sendall(HEAD + LENGTH % len(HELLO) + HELLO)
    connection.recv(65_536)
    begun = time.perf_counter()
    connection.sendall(b"\r\n")

    until_closed(connection)

    assert time.perf_counter() - begun < PATIENCE_SECONDS + 2


def test_a_caller_that_leaves_harms_nobody(address: tuple[str, int]) -> None:
    for beginning in (b"", b"POST", HEAD, HEAD + LENGTH % 100 + b"{"):
        with socket.create_connection(address) as leaving:
            leaving.sendall(beginning)

    with socket.create_connection(address) as staying:
        staying.sendall(HEAD + b"connection: close\r\n" + LENGTH % len(HELLO) + HELLO)

        assert b"hello world" in until_closed(staying)


def test_the_server_does_not_say_what_it_is(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"connection: close\r\n" + LENGTH % len(HELLO) + HELLO)

    assert b"\r\nserver:" not in until_closed(connection).lower()
