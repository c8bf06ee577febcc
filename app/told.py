"""What an event is called and looks like outside: as the API would show it."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

import orjson
from pydantic import BaseModel

from domain.money import Currency, Money, format_credits, format_money
from domain.telling import PING, EventType, Message, ToldEvent
from domain.units import (
    OWN_CREDITS,
    AccountId,
    AlertId,
    AnswerId,
    ApiKeyId,
    KeyNumber,
    Microcredits,
    Moment,
    PaymentId,
    PurseId,
)
from schema.ids import account_name, alert_name, answer_name, event_name, key_name, payment_name
from schema.scalars import format_time

Shown = dict[str, object]


def spell(event: ToldEvent) -> Message:
    """The message of an event: the same bytes whoever sends it, and however often."""
    data = _SHOWN[event.type](event.facts)
    return Message(id=event_name(event.id), body=_body(event.type, event.at, data))


def ping(name: str, at: datetime) -> Message:
    """A message of nothing, to see whether it arrives."""
    return Message(id=name, body=_body(PING, at, {}))


def _body(type_: str, at: datetime, data: Shown) -> bytes:
    return orjson.dumps({"type": type_, "timestamp": format_time(at), "data": data})


class _Payment(BaseModel):
    account: int
    moment: int
    status: str
    provider: str
    mode: str
    pack: str
    currency: Currency
    price: int
    credits: int
    taken_back: int


class _Alert(BaseModel):
    alert: int
    kind: str
    severity: str
    message: str


class _Answer(BaseModel):
    account: int
    key: int
    moment: int
    api_key: int
    status: str
    model: str
    finish: str | None
    charged: int


class _Low(BaseModel):
    account: int
    key: int
    total: int
    held: int
    threshold: int


def _payment(facts: Mapping[str, object]) -> Shown:
    paid = _Payment.model_validate(facts)
    purse = PurseId(AccountId(paid.account))
    price = Money(paid.price, paid.currency)
    return {
        "id": payment_name(PaymentId(purse, Moment(paid.moment))),
        "accountId": account_name(purse.account_id),
        "status": paid.status,
        "provider": paid.provider,
        "mode": paid.mode,
        "packId": paid.pack,
        "price": {"amount": format_money(price.amount), "currency": price.currency},
        "credits": format_credits(Microcredits(paid.credits)),
        "creditsTakenBack": format_credits(Microcredits(paid.taken_back)),
    }


def _alert(facts: Mapping[str, object]) -> Shown:
    raised = _Alert.model_validate(facts)
    return {
        "id": alert_name(AlertId(raised.alert)),
        "kind": raised.kind,
        "severity": raised.severity,
        "message": raised.message,
    }


def _answer(facts: Mapping[str, object]) -> Shown:
    finished = _Answer.model_validate(facts)
    purse = PurseId(AccountId(finished.account), KeyNumber(finished.key))
    return {
        "id": answer_name(AnswerId(purse, Moment(finished.moment))),
        "accountId": account_name(purse.account_id),
        "apiKeyId": _key(finished.account, finished.api_key),
        "status": finished.status,
        "model": finished.model,
        "finishReason": finished.finish,
        "charged": format_credits(Microcredits(finished.charged)),
    }


def _low(facts: Mapping[str, object]) -> Shown:
    low = _Low.model_validate(facts)
    return {
        "accountId": account_name(AccountId(low.account)),
        "apiKeyId": _key(low.account, low.key),
        "total": format_credits(Microcredits(low.total)),
        "available": format_credits(Microcredits(low.total - low.held)),
        "threshold": format_credits(Microcredits(low.threshold)),
    }


def _key(account: int, number: int) -> str | None:
    if number == OWN_CREDITS:
        return None
    return key_name(ApiKeyId(AccountId(account), KeyNumber(number)))


_SHOWN: Final[Mapping[EventType, Callable[[Mapping[str, object]], Shown]]] = {
    EventType.BALANCE_LOW: _low,
    EventType.ALERT_RAISED: _alert,
    EventType.PAYMENT_SUCCEEDED: _payment,
    EventType.PAYMENT_FAILED: _payment,
    EventType.PAYMENT_EXPIRED: _payment,
    EventType.PAYMENT_REVERSED: _payment,
    EventType.ANSWER_FINISHED: _answer,
}
