"""`tallystick webhooks …`: what was told, what did not arrive, and sending it again."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from secrets import token_hex
from typing import Final

from adapters.webhooks import HTTPSender
from app.clock import SystemClock
from app.deployment import deployed
from app.settings import Settings, UnsafeSettings
from app.telling import endpoints_of
from app.told import ping
from domain.errors import TallystickError
from domain.telling import DeliveryState, Endpoint, Reply
from persistence import reaching, telling_office
from persistence.reaching import DatabaseUnusable
from persistence.telling_office import KnownDelivery, KnownTry, Wanted
from schema.ids import event_name, event_named
from schema.scalars import format_time

_NONE_CONFIGURED: Final = (
    "No endpoint is configured: WEBHOOK_URL names one, WEBHOOKS_FILE several; docs/webhooks.md."
)


class NoSuchEvent(TallystickError):
    """No event has this id."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is no event {name}. Events are called like the webhook-id they are sent with; "
            "`tallystick webhooks list` shows them, as long as WEBHOOK_DAYS keeps them."
        )


class NoSuchEndpoint(TallystickError):
    """No endpoint of this name is configured."""

    def __init__(self, name: str, endpoints: Sequence[Endpoint]) -> None:
        known = ", ".join(endpoint.name for endpoint in endpoints) or "none"
        super().__init__(f"There is no endpoint {name}. Configured: {known}.")


def listed(
    settings: Settings, *, state: DeliveryState | None, endpoint: str | None, limit: int
) -> Iterator[str]:
    """Deliveries in lines, the newest first."""
    wanted = Wanted(states=None if state is None else [state], endpoint=endpoint)
    with _books(settings) as url:
        found = asyncio.run(telling_office.deliveries(url, wanted, limit=limit))
    if not found:
        yield "No deliveries."
    for each in found:
        yield _line(each)


def shown(settings: Settings, name: str) -> Iterator[str]:
    """One event: how it stands with each endpoint, and every try."""
    with _books(settings) as url:
        wanted = _wanted(name)
        found = asyncio.run(telling_office.deliveries(url, wanted, limit=1_000))
        if wanted.event is None or not found:
            raise NoSuchEvent(name)
        tries = asyncio.run(telling_office.tries(url, wanted.event))
    for each in found:
        yield _line(each)
    for each_try in tries:
        yield _try_line(each_try)


def replay(
    settings: Settings,
    *,
    name: str | None,
    since: datetime | None,
    only_dead: bool,
    endpoint: str | None,
) -> str:
    """Send again; says how many deliveries that are."""
    endpoints = endpoints_of(settings)
    if not endpoints:
        raise UnsafeSettings(_NONE_CONFIGURED)
    if endpoint is not None and endpoint not in {each.name for each in endpoints}:
        raise NoSuchEndpoint(endpoint, endpoints)
    wanted = _wanted(name, since=since, only_dead=only_dead, endpoint=endpoint)
    with _books(settings) as url:
        count = asyncio.run(telling_office.replay(url, wanted, endpoints))
    if not count and name is not None:
        raise NoSuchEvent(name)
    return f"{_counted(count)} sent again, by whichever process serves or works."


def dismiss(settings: Settings, *, name: str | None, only_dead: bool) -> str:
    """Give up; says how many deliveries that were."""
    wanted = _wanted(name, only_dead=only_dead)
    with _books(settings) as url:
        count = asyncio.run(telling_office.dismiss(url, wanted))
    return f"{_counted(count)} dismissed."


def pinged(settings: Settings, *, endpoint: str | None) -> Mapping[str, Reply]:
    """Send a ping to each endpoint, or to one, and return what it answered."""
    endpoints = endpoints_of(settings)
    if not endpoints:
        raise UnsafeSettings(_NONE_CONFIGURED)
    meant = [each for each in endpoints if endpoint in {None, each.name}]
    if not meant:
        raise NoSuchEndpoint(endpoint or "", endpoints)
    replies = asyncio.run(_ping(settings, meant))
    accepted = [name for name, reply in replies.items() if reply.is_accepted]
    with _books(settings) as url:
        for name in accepted:
            asyncio.run(telling_office.is_back(url, name))
    return replies


async def _ping(settings: Settings, endpoints: Sequence[Endpoint]) -> Mapping[str, Reply]:
    clock = SystemClock()
    sender = HTTPSender.connecting(clock=clock, seconds_max=settings.webhook_timeout_seconds)
    message = ping(f"ping_{token_hex(10)}", clock.now())
    try:
        replies = await asyncio.gather(*(sender.send(each, message) for each in endpoints))
    finally:
        await sender.aclose()
    return {each.name: reply for each, reply in zip(endpoints, replies, strict=True)}


def outcome(status: int | None, fault: str | None) -> str:
    """What a try came to, in words."""
    return fault or f"answered {status}"


def _counted(count: int) -> str:
    return "1 delivery is" if count == 1 else f"{count} deliveries are"


def _line(each: KnownDelivery) -> str:
    told = outcome(each.status, each.fault) if each.status or each.fault else "not tried yet"
    due = f"; next {_time(each.next_try_at)}" if each.state is DeliveryState.WAITING else ""
    return (
        f"{event_name(each.event)}  {each.type}  {_time(each.told_at)}  {each.endpoint}  "
        f"{each.state}  tries {each.tries}; {told}{due}"
    )


def _try_line(each: KnownTry) -> str:
    return (
        f"  {_time(each.tried_at)}  {each.endpoint}  {outcome(each.status, each.fault)}"
        f"  in {each.took_ms} ms"
    )


def _time(at: datetime) -> str:
    return format_time(at.replace(microsecond=0))


def _wanted(
    name: str | None,
    *,
    since: datetime | None = None,
    only_dead: bool = False,
    endpoint: str | None = None,
) -> Wanted:
    event = None
    if name is not None:
        event = event_named(name)
        if event is None:
            raise NoSuchEvent(name)
    return Wanted(
        event=event,
        states=[DeliveryState.DEAD] if only_dead else None,
        since=since,
        endpoint=endpoint,
    )


@contextmanager
def _books(settings: Settings) -> Iterator[str]:
    with deployed(settings) as deployment:
        faults = asyncio.run(reaching.faults_of_books(deployment.url))
        if faults:
            raise DatabaseUnusable("\n".join(faults.values()))
        yield deployment.url
