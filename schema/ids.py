"""How things are called outside: a prefix that says what it is, and what the database calls it.

To callers an id is one opaque word. Ours is spelled in one way only, so that whatever reads back
as a name is that name's id; anything else names nothing.
"""

from base64 import b32decode, b32encode
from typing import Final

from strawberry import ID

from domain.telling import EventId
from domain.units import (
    OWN_CREDITS,
    AccountId,
    AlertId,
    AnswerId,
    ApiKeyId,
    EntryId,
    HoldId,
    KeyNumber,
    LotId,
    Moment,
    PaymentId,
    PriceId,
    PurseId,
    UsageId,
)

_NUMBER_BYTES: Final = 8
_KEY_BYTES: Final = 4
_RESTS: Final = frozenset({0, _KEY_BYTES})
_LENGTH_MAX: Final = 40
_KEY_NAME_LENGTH: Final = len("key_") + 20
"""Of an account's number and a key's, which is shorter."""


def account_name(account_id: AccountId) -> ID:
    return _spelled("acct", _number(account_id))


def key_name(key_id: ApiKeyId) -> ID:
    return _spelled("key", _number(key_id.account_id) + _key_number(key_id.number))


def entry_name(entry_id: EntryId) -> ID:
    return _spelled("ent", _moment(entry_id.purse, entry_id.moment))


def hold_name(hold_id: HoldId) -> ID:
    return _spelled("hold", _moment(hold_id.purse, hold_id.moment))


def answer_name(answer_id: AnswerId) -> ID:
    return _spelled("ans", _moment(answer_id.purse, answer_id.moment))


def usage_name(usage_id: UsageId) -> ID:
    return _spelled("use", _moment(usage_id.purse, usage_id.moment))


def lot_name(lot_id: LotId) -> ID:
    return _spelled("lot", _moment(lot_id.purse, lot_id.moment))


def payment_name(payment_id: PaymentId) -> ID:
    return _spelled("pay", _moment(payment_id.purse, payment_id.moment))


def price_name(price_id: PriceId) -> ID:
    return _spelled("price", _number(price_id))


def audit_name(audit_id: int) -> ID:
    return _spelled("aud", _number(audit_id))


def alert_name(alert_id: AlertId) -> ID:
    return _spelled("alert", _number(alert_id))


def event_name(event_id: EventId) -> ID:
    """Of what the operator's systems are told; no type of the API."""
    return _spelled("evt", _number(event_id.number) + _number(event_id.salt))


def event_named(name: str) -> EventId | None:
    match _read("evt", name):
        case (number, salt):
            return EventId(number, salt)
        case _:
            return None


def account_named(name: str) -> AccountId | None:
    match _read("acct", name):
        case (account_id,):
            return AccountId(account_id)
        case _:
            return None


def alert_named(name: str) -> AlertId | None:
    match _read("alert", name):
        case (alert_id,):
            return AlertId(alert_id)
        case _:
            return None


def key_named(name: str) -> ApiKeyId | None:
    match _read("key", name):
        case (account_id, number) if len(name) == _KEY_NAME_LENGTH and number != OWN_CREDITS:
            return ApiKeyId(AccountId(account_id), KeyNumber(number))
        case _:
            return None


def entry_named(name: str) -> EntryId | None:
    match _read_moment("ent", name):
        case None:
            return None
        case purse, moment:
            return EntryId(purse, moment)


def hold_named(name: str) -> HoldId | None:
    match _read_moment("hold", name):
        case None:
            return None
        case purse, moment:
            return HoldId(purse, moment)


def answer_named(name: str) -> AnswerId | None:
    match _read_moment("ans", name):
        case None:
            return None
        case purse, moment:
            return AnswerId(purse, moment)


def usage_named(name: str) -> UsageId | None:
    match _read_moment("use", name):
        case None:
            return None
        case purse, moment:
            return UsageId(purse, moment)


def payment_named(name: str) -> PaymentId | None:
    match _read_moment("pay", name):
        case None:
            return None
        case purse, moment:
            return PaymentId(purse, moment)


def _number(number: int) -> bytes:
    return number.to_bytes(_NUMBER_BYTES, "big", signed=True)


def _moment(purse: PurseId, moment: Moment) -> bytes:
    """A purse and a moment; the account's own purse, which nearly all are, goes without saying."""
    spelled = _number(purse.account_id) + _number(moment)
    if purse.key_number == OWN_CREDITS:
        return spelled
    return spelled + _key_number(purse.key_number)


def _key_number(number: KeyNumber) -> bytes:
    return number.to_bytes(_KEY_BYTES, "big", signed=True)


def _spelled(prefix: str, numbers: bytes) -> ID:
    return ID(f"{prefix}_{b32encode(numbers).decode().rstrip('=').lower()}")


def _read_moment(prefix: str, name: str) -> tuple[PurseId, Moment] | None:
    match _read(prefix, name):
        case (account_id, moment):
            return PurseId(AccountId(account_id)), Moment(moment)
        case (account_id, moment, key_number) if key_number != OWN_CREDITS:
            return PurseId(AccountId(account_id), KeyNumber(key_number)), Moment(moment)
        case _:
            return None


def _read(prefix: str, name: str) -> tuple[int, ...] | None:
    """The numbers in a name, or None when it is not one of ours."""
    given, _, spelled = name.partition("_")
    if given != prefix or len(name) > _LENGTH_MAX or not spelled.isascii():
        return None
    try:
        numbers = b32decode(spelled.upper() + "=" * (-len(spelled) % 8))
    except ValueError:
        return None
    read = tuple(
        int.from_bytes(numbers[at : at + _NUMBER_BYTES], "big", signed=True)
        for at in range(0, len(numbers), _NUMBER_BYTES)
    )
    is_ours = _spelled(prefix, numbers) == name and len(numbers) % _NUMBER_BYTES in _RESTS
    return read if is_ours and all(number >= 0 for number in read) else None
