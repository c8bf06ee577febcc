"""What follows for a payment from what its provider says of it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.checking import issues_of_return_path
from domain.money import Currency, Money
from domain.offering import PaymentProvider
from domain.payments import (
    OPEN_FOR,
    Payment,
    PaymentMode,
    PaymentStatus,
    Progress,
    Reversal,
    ReversalState,
    credits_taken_back,
    judged,
    money_taken_back,
    payment_named,
)
from domain.running import time_of
from domain.units import (
    AccountId,
    EntryId,
    Microcredits,
    Moment,
    PackId,
    PaymentId,
    PurseId,
)
from tests.persistence.orders import dispute, refund, standing

PURSE = PurseId(AccountId(7))
PENDING = Payment(
    id=PaymentId(PURSE, Moment(1_769_860_800_000_000)),
    status=PaymentStatus.PENDING,
    provider=PaymentProvider.STRIPE,
    mode=PaymentMode.LIVE,
    pack_id=PackId("starter"),
    pack_name="Starter",
    price=Money(500, Currency.USD),
    credits=Microcredits(1_000),
    bonus=Microcredits(100),
)
NOW = time_of(PENDING.id.moment)
PAID = replace(
    PENDING,
    status=PaymentStatus.SUCCEEDED,
    entry_id=EntryId(PURSE, Moment(1_769_860_800_000_001)),
    paid_at=NOW,
)


def test_paid_money_brings_credits() -> None:
    settlement = judged(PENDING, standing(PENDING), now=NOW)

    assert settlement.status is PaymentStatus.SUCCEEDED
    assert (settlement.money_back, settlement.taken_back) == (0, 0)


@pytest.mark.parametrize(
    ("progress", "status"),
    [
        (Progress.OPEN, PaymentStatus.PENDING),
        (Progress.FAILED, PaymentStatus.FAILED),
        (Progress.EXPIRED, PaymentStatus.EXPIRED),
    ],
)
def test_unpaid_money_brings_none(progress: Progress, status: PaymentStatus) -> None:
    settlement = judged(PENDING, standing(PENDING, progress=progress), now=NOW)

    assert settlement.status is status


@pytest.mark.parametrize("status", [PaymentStatus.EXPIRED, PaymentStatus.FAILED])
def test_money_that_comes_after_all_is_owed(status: PaymentStatus) -> None:
    given_up = replace(PENDING, status=status)

    assert judged(given_up, standing(given_up), now=NOW).status is PaymentStatus.SUCCEEDED


def test_an_unfinished_payment_is_given_up_in_the_end() -> None:
    open_still = standing(PENDING, progress=Progress.OPEN)
    late = NOW + OPEN_FOR + timedelta(seconds=1)

    assert judged(PENDING, open_still, now=NOW + OPEN_FOR).status is PaymentStatus.PENDING
    assert judged(PENDING, open_still, now=late).status is PaymentStatus.EXPIRED
    assert judged(PENDING, None, now=late).status is PaymentStatus.EXPIRED


@pytest.mark.parametrize(
    "wrong",
    [
        {"minor": 499},
        {"minor": 501},
        {"currency": "KES"},
        {"currency": "EUR"},
        {"mode": PaymentMode.TEST},
        {"reference": None},
        {"reference": "ts-8-1"},
        {"reference": "nonsense"},
    ],
    ids=str,
)
def test_money_that_is_not_the_orders_moves_no_credits(wrong: dict[str, object]) -> None:
    told = replace(standing(PENDING), **wrong)  # type: ignore[arg-type] # values of the fields

    settlement = judged(PENDING, told, now=NOW)

    assert settlement.status is PaymentStatus.FAILED
    assert settlement.mismatch is not None
    assert settlement.standing is None


def test_credits_that_were_given_stay_until_somebody_has_looked() -> None:
    unpaid = judged(PAID, standing(PAID, progress=Progress.EXPIRED), now=NOW)
    unknown = judged(PAID, None, now=NOW)
    other = judged(PAID, replace(standing(PAID), minor=1), now=NOW)

    for settlement in (unpaid, unknown, other):
        assert settlement.status is PaymentStatus.SUCCEEDED
        assert settlement.taken_back == 0
        assert settlement.mismatch is not None


@pytest.mark.parametrize(
    ("reversals", "back", "credits_back", "status"),
    [
        ((refund(500),), 500, 1_100, PaymentStatus.REVERSED),
        ((refund(100),), 100, 220, PaymentStatus.SUCCEEDED),
        ((refund(1),), 1, 3, PaymentStatus.SUCCEEDED),
        ((refund(100), refund(150, reference="re_2")), 250, 550, PaymentStatus.SUCCEEDED),
        ((refund(100, ReversalState.PENDING),), 100, 220, PaymentStatus.SUCCEEDED),
        ((refund(500, ReversalState.FAILED),), 0, 0, PaymentStatus.SUCCEEDED),
        ((dispute(500),), 500, 1_100, PaymentStatus.REVERSED),
        ((dispute(500, ReversalState.LOST),), 500, 1_100, PaymentStatus.REVERSED),
        ((dispute(500, ReversalState.WON),), 0, 0, PaymentStatus.SUCCEEDED),
        ((dispute(500, ReversalState.WARNING),), 0, 0, PaymentStatus.SUCCEEDED),
        ((refund(500, ReversalState.GONE),), 0, 0, PaymentStatus.SUCCEEDED),
        ((refund(300), dispute(500)), 500, 1_100, PaymentStatus.REVERSED),
        ((refund(100), refund(100)), 100, 220, PaymentStatus.SUCCEEDED),
        (
            (refund(100, ReversalState.PENDING), refund(100, ReversalState.FAILED)),
            0,
            0,
            PaymentStatus.SUCCEEDED,
        ),
    ],
)
def test_what_goes_back_takes_its_part_of_the_credits(
    reversals: tuple[Reversal, ...], back: int, credits_back: int, status: PaymentStatus
) -> None:
    settlement = judged(PENDING, standing(PENDING, *reversals), now=NOW)

    assert (settlement.money_back, settlement.taken_back) == (back, credits_back)
    assert settlement.status is status


AMOUNTS = st.integers(min_value=0, max_value=10**12)
REVERSALS = st.lists(
    st.builds(
        lambda minor, state, is_refund: (refund if is_refund else dispute)(minor, state),
        AMOUNTS,
        st.sampled_from(ReversalState),
        st.booleans(),
    )
)


@given(total=st.integers(1, 10**15), paid=st.integers(1, 10**9), reversals=REVERSALS)
def test_never_more_goes_back_than_came_in(
    total: int, paid: int, reversals: list[Reversal]
) -> None:
    back = money_taken_back(paid, reversals)
    taken = credits_taken_back(Microcredits(total), paid=paid, back=back)

    assert 0 <= back <= paid
    assert 0 <= taken <= total
    assert (taken == total) or back < paid
    assert (taken == 0) == (back == 0)


@given(account=st.integers(0, 2**63 - 1), moment=st.integers(0, 2**63 - 1))
def test_a_reference_names_its_payment(account: int, moment: int) -> None:
    payment = replace(PENDING, id=PaymentId(PurseId(AccountId(account)), Moment(moment)))

    assert payment_named(payment.reference) == payment.id
    assert payment_named(f"{payment.reference}.2") == payment.id
    assert all(letter.isalnum() or letter == "-" for letter in payment.reference)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ts",
        "ts-1",
        "ts-1-2-3",
        "ts-x-1",
        "tx-1-2",
        "ts-+1-2",
        "ts-1-2.x",
        "ts-8000000000000000-1",
        "ts-1-" + "1" * 17,
        "cs_test_1",
    ],
)
def test_other_texts_name_no_payment(text: str) -> None:
    assert payment_named(text) is None


@pytest.mark.parametrize("path", [None, "/", "/account", "/account?tab=credits&x=%20", "/a/b-c~d"])
def test_a_path_of_the_web_app_may_be_come_back_to(path: str | None) -> None:
    assert list(issues_of_return_path(path)) == []


@pytest.mark.parametrize(
    "path",
    [
        "",
        "account",
        "//evil.test",
        "/\\evil.test",
        "/a\\b",
        "\\evil.test",
        "https://evil.test",
        "/a\nb",
        "/a\tb",
        "/\x00",
        " /a",
        "/a b",
        "/ä",
        "/a#b",
        "javascript:alert(1)",
        "/" + "a" * 500,
    ],
    ids=repr,
)
def test_no_other_place_may_be_come_back_to(path: str) -> None:
    assert [issue.path for issue in issues_of_return_path(path)] == [("return_path",)]
