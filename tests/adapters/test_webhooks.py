"""Messages on their way: signed, bounded, and to nowhere but where the operator said."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from socket import AddressFamily

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from standardwebhooks import WebhookVerificationError
from starlette.responses import Response, StreamingResponse

from adapters.webhooks import HTTPSender
from app.clock import SystemClock
from domain.telling import Endpoint, Message
from tests.telling.receiver import SECRET, Receiver, answering, receiving, secret_of

MESSAGE = Message(id="evt_1", body='{"type":"ping","data":{"text":"Grüße"}}'.encode())
NEW = secret_of("new")


@asynccontextmanager
async def sending(
    resolver: AbstractResolver | None = None, *, seconds_max: float = 5
) -> AsyncIterator[HTTPSender]:
    sender = HTTPSender.connecting(clock=SystemClock(), seconds_max=seconds_max, resolver=resolver)
    yield sender
    await sender.aclose()


def endpoint(url: str, *secrets: str) -> Endpoint:
    return Endpoint(name="crm", url=url, secrets=secrets or (SECRET,))


class Names(AbstractResolver):
    """A DNS of the test's own: every name leads to these addresses."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: AddressFamily = AddressFamily.AF_INET
    ) -> list[ResolveResult]:
        self.asked += 1
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=AddressFamily.AF_INET6 if ":" in address else AddressFamily.AF_INET,
                proto=0,
                flags=0,
            )
            for address in self.addresses
        ]

    async def close(self) -> None:
        pass


async def test_a_message_is_signed_so_that_the_library_believes_it() -> None:
    async with receiving() as (receiver, url), sending() as sender:
        reply = await sender.send(endpoint(url), MESSAGE)

    [heard] = receiver.heard
    heard.verify()
    assert (reply.status, reply.fault, reply.is_accepted) == (204, None, True)
    assert (heard.body, heard.id) == (MESSAGE.body, "evt_1")
    assert heard.headers["content-type"] == "application/json"
    with pytest.raises(WebhookVerificationError):
        heard.verify(secret_of("another"))


async def test_both_secrets_sign_while_one_is_being_changed() -> None:
    async with receiving() as (receiver, url), sending() as sender:
        await sender.send(endpoint(url, SECRET, NEW), MESSAGE)

    [heard] = receiver.heard
    heard.verify(SECRET)
    heard.verify(NEW)


async def test_a_redirect_is_not_followed() -> None:
    async with receiving() as (elsewhere, there), receiving() as (receiver, url):
        receiver.moods.append(answering(307, location=there))
        async with sending() as sender:
            reply = await sender.send(endpoint(url), MESSAGE)

    assert (reply.status, reply.is_accepted) == (307, False)
    assert elsewhere.heard == []


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1"]
)
async def test_a_name_that_leads_into_a_private_network_is_not_connected_to(address: str) -> None:
    async with receiving() as (receiver, url), sending(Names(address)) as sender:
        port = url.rpartition(":")[2]
        reply = await sender.send(endpoint(f"http://rebound.example.com:{port}"), MESSAGE)

    assert reply.fault == "its name leads into a private network, which is not allowed"
    assert receiver.heard == []


async def test_an_address_in_the_url_is_looked_at_too() -> None:
    async with sending() as sender:
        reply = await sender.send(endpoint("https://10.0.0.1/hooks"), MESSAGE)

    assert reply.fault == "its name leads into a private network, which is not allowed"


async def test_a_private_network_is_reached_when_the_operator_says_so() -> None:
    async with receiving() as (receiver, url), sending(Names("127.0.0.1")) as sender:
        inside = Endpoint(
            name="crm",
            url=url.replace("127.0.0.1", "crm.internal"),
            secrets=(SECRET,),
            private_network=True,
        )
        reply = await sender.send(inside, MESSAGE)

    assert reply.status == 204
    assert len(receiver.heard) == 1


async def test_an_endpoint_that_does_not_answer_is_not_waited_for() -> None:
    receiver = Receiver()
    receiver.open.clear()
    async with receiving(receiver) as (_, url), sending(seconds_max=0.2) as sender:
        reply = await sender.send(endpoint(url), MESSAGE)

    assert (reply.status, reply.fault) == (None, "no answer in time")


async def test_an_endpoint_that_never_stops_talking_is_heard_to_a_bound() -> None:
    told = 0

    async def for_ever() -> AsyncIterator[bytes]:
        nonlocal told
        while True:
            told += 1
            yield b"." * 65_536
            await asyncio.sleep(0)

    receiver = Receiver(always=lambda: StreamingResponse(for_ever()))
    async with receiving(receiver) as (_, url), sending() as sender:
        reply = await sender.send(endpoint(url), MESSAGE)

    assert reply.status == 200
    assert told < 1_000


async def test_where_nobody_listens_there_is_no_connection() -> None:
    async with sending() as sender:
        refused = await sender.send(endpoint("http://127.0.0.1:9/"), MESSAGE)
    async with sending(Names()) as sender:
        unknown = await sender.send(endpoint("https://nowhere.example.com/"), MESSAGE)

    assert refused.fault == "no connection"
    assert unknown.fault is not None


async def test_cookies_are_not_kept() -> None:
    async with receiving() as (receiver, url), sending() as sender:
        receiver.moods.append(answering(200, set_cookie="who=me"))
        await sender.send(endpoint(url), MESSAGE)
        await sender.send(endpoint(url), MESSAGE)

    assert "cookie" not in receiver.heard[1].headers


@pytest.mark.parametrize(
    ("said", "least", "most"),
    [
        ("120", 120, 120),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
        ("in a minute", None, None),
        ("-5", None, None),
        ("99999999999", None, None),
    ],
)
async def test_when_to_come_back_is_read_in_seconds_or_as_a_date(
    said: str, least: int | None, most: int | None
) -> None:
    receiver = Receiver(always=answering(503, retry_after=said))
    async with receiving(receiver) as (_, url), sending() as sender:
        reply = await sender.send(endpoint(url), MESSAGE)

    if least is None or most is None:
        assert reply.retry_after is None
    else:
        assert reply.retry_after is not None
        assert timedelta(seconds=least) <= reply.retry_after <= timedelta(seconds=most)


async def test_a_date_to_come_back_at_is_counted_from_now() -> None:
    then = datetime(2100, 1, 1, tzinfo=UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    receiver = Receiver(always=lambda: Response(status_code=429, headers={"retry-after": then}))
    async with receiving(receiver) as (_, url), sending() as sender:
        reply = await sender.send(endpoint(url), MESSAGE)

    assert reply.retry_after is not None
    assert reply.retry_after > timedelta(days=365)
