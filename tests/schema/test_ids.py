"""Names outside lead to one object inside, or to none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.telling import EventId
from domain.units import (
    AccountId,
    AnswerId,
    ApiKeyId,
    EntryId,
    HoldId,
    KeyNumber,
    LotId,
    Moment,
    PriceId,
    PurseId,
    UsageId,
)
from schema import ids

BIGINT = 2**63 - 1
numbers = st.integers(0, BIGINT)
purses = st.builds(PurseId, numbers.map(AccountId), st.integers(0, 2**31 - 1).map(KeyNumber))
moments = numbers.map(Moment)

ADA = PurseId(AccountId(1))
MOMENT = Moment(1_769_860_800_000_000)


@given(numbers.map(AccountId))
def test_an_account_is_found_by_its_name(account_id: AccountId) -> None:
    assert ids.account_named(ids.account_name(account_id)) == account_id


@given(purses, moments)
def test_what_happened_to_a_purse_is_found_by_its_name(purse: PurseId, moment: Moment) -> None:
    answer, entry, hold = AnswerId(purse, moment), EntryId(purse, moment), HoldId(purse, moment)
    usage = UsageId(purse, moment)

    assert ids.answer_named(ids.answer_name(answer)) == answer
    assert ids.entry_named(ids.entry_name(entry)) == entry
    assert ids.hold_named(ids.hold_name(hold)) == hold
    assert ids.usage_named(ids.usage_name(usage)) == usage


@given(
    st.builds(ApiKeyId, numbers.map(AccountId), st.integers(1, 2**31 - 1).map(KeyNumber)),
)
def test_an_api_key_is_found_by_its_name(key_id: ApiKeyId) -> None:
    name = ids.key_name(key_id)

    assert ids.key_named(name) == key_id
    assert len(name) == 24


@given(numbers, numbers)
def test_an_event_is_found_by_its_name(number: int, salt: int) -> None:
    event_id = EventId(number, salt)

    assert ids.event_named(ids.event_name(event_id)) == event_id


def test_the_number_of_no_key_names_none() -> None:
    assert ids.key_named(ids.key_name(ApiKeyId(AccountId(1), KeyNumber(0)))) is None
    assert ids.key_named(ids.account_name(AccountId(1)).replace("acct", "key")) is None


def test_names_say_what_they_name() -> None:
    assert ids.account_name(AccountId(1)) == "acct_aaaaaaaaaaaac"
    assert ids.answer_name(AnswerId(ADA, MOMENT)).startswith("ans_")
    assert ids.entry_name(EntryId(ADA, MOMENT)).startswith("ent_")
    assert ids.hold_name(HoldId(ADA, MOMENT)).startswith("hold_")
    assert ids.usage_name(UsageId(ADA, MOMENT)).startswith("use_")
    assert ids.lot_name(LotId(ADA, MOMENT)).startswith("lot_")
    assert ids.price_name(PriceId(1)).startswith("price_")
    assert ids.audit_name(1).startswith("aud_")


def test_a_name_of_one_kind_names_nothing_of_another() -> None:
    name = ids.entry_name(EntryId(ADA, MOMENT))

    assert ids.answer_named(name) is None
    assert ids.hold_named(name) is None
    assert ids.usage_named(name) is None
    assert ids.account_named(name) is None
    assert ids.entry_named(name.replace("ent_", "ans_")) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "acct",
        "acct_",
        "acct_1",
        "acct_aaaaaaaaaaaad",  # the same number with a bit that is not one of its own
        "acct_AAAAAAAAAAAAC",
        "ACCT_aaaaaaaaaaaac",
        "acct_aaaaaaaaaaaac=",
        "acct_aaaaaaaaaaaac===",
        " acct_aaaaaaaaaaaac",
        "acct_aaaaaaaaaaaac\n",
        "acct_777777777777w",  # a number below zero
        "acct_aaaaaaaaaaaacaaaaaaaaaaaac",
        "acct_ääääääääääääc",
        "acct_\0",
        "acct_" + "a" * 100_000,
        "ans_aaaaaaaaaaaac",
    ],
)
def test_any_other_word_names_no_account(name: str) -> None:
    assert ids.account_named(name) is None


def test_the_accounts_own_purse_is_never_spelled_out() -> None:
    spelled_out = ids._spelled("ent", bytes(7) + b"\1" + bytes(7) + b"\1" + bytes(4))  # noqa: SLF001

    assert ids.entry_named(spelled_out) is None


@given(st.text(max_size=60))
def test_reading_a_name_never_fails(name: str) -> None:
    for prefix in ("acct_", "ans_", "ent_", "hold_", "use_", ""):
        assert ids.account_named(prefix + name) is None or prefix in {"acct_", ""}
        ids.answer_named(prefix + name)
        ids.entry_named(prefix + name)
        ids.hold_named(prefix + name)
        ids.usage_named(prefix + name)
