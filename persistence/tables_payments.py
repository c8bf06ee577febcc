"""Tables of payments and of what goes back of them."""

from datetime import datetime
from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Index,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from persistence.tables_domains import Credits, SomeCredits
from persistence.tables_parts import (
    GIVEN,
    IN_SCHEMA,
    NOW,
    SCHEMA,
    ZERO,
    HistoryRow,
    account_exists,
    by_time,
)

PENDING: Final = {"server_default": "PENDING"}


class PaymentRow(HistoryRow, table=True):
    """One purchase: the order, which never changes, and how it stands."""

    __tablename__ = "payments"
    __table_args__ = (
        account_exists("payments"),
        UniqueConstraint("provider", "checkout_reference", name="payments_checkout_pays_once"),
        UniqueConstraint("provider", "charge_reference", name="payments_charge_pays_once"),
        CheckConstraint(
            "provider IN ('STRIPE', 'PAYSTACK') AND mode IN ('LIVE', 'TEST', 'SANDBOX')"
            " AND currency IN ('USD', 'KES')"
            " AND status IN ('PENDING', 'SUCCEEDED', 'FAILED', 'EXPIRED', 'REVERSED')",
            name="payments_words_are_known",
        ),
        CheckConstraint("key_number = 0", name="payments_are_into_the_accounts_own_purse"),
        CheckConstraint("price > 0", name="payments_cost_something"),
        CheckConstraint(
            "valid_days > 0 AND bonus_valid_days > 0", name="payments_credits_last_a_while"
        ),
        CheckConstraint(
            "(entry_moment IS NOT NULL) = (status IN ('SUCCEEDED', 'REVERSED'))"
            " AND (entry_moment IS NULL) = (paid_at IS NULL)",
            name="payments_bring_credits_when_they_succeed",
        ),
        CheckConstraint(
            "money_back >= 0 AND money_back <= price AND taken_back <= credits + bonus"
            " AND (entry_moment IS NOT NULL OR (money_back = 0 AND taken_back = 0))",
            name="payments_give_back_at_most_what_they_brought",
        ),
        CheckConstraint(
            "entry_moment IS NULL OR (status = 'REVERSED') = (money_back = price)",
            name="payments_are_reversed_when_all_is_back",
        ),
        Index("payments_to_look_at", "moment", postgresql_where=text("status = 'PENDING'")),
        Index(
            "payments_that_were_paid",
            "entry_moment",
            postgresql_where=text("entry_moment IS NOT NULL"),
        ),
        by_time("payments"),
        {"schema": SCHEMA, "postgresql_with": {"fillfactor": 70}},
    )

    key_number: int = Field(primary_key=True, sa_column_kwargs=ZERO)
    provider: str = Field(sa_type=Text)
    mode: str = Field(sa_type=Text)
    pack_id: str = Field(sa_type=Text)
    pack_name: str = Field(sa_type=Text)
    currency: str = Field(sa_type=Text)
    price: int = Field(sa_type=BigInteger)
    price_basis: str = Field(sa_type=Text)
    credits: int = Field(sa_type=SomeCredits)
    bonus: int = Field(sa_type=Credits, sa_column_kwargs=ZERO)
    valid_days: int | None
    bonus_valid_days: int | None
    status: str = Field(sa_type=Text, sa_column_kwargs=PENDING)
    checkout_reference: str | None = Field(sa_type=Text)
    checkout_url: str | None = Field(sa_type=Text)
    charge_reference: str | None = Field(sa_type=Text)
    customer_reference: str | None = Field(sa_type=Text)
    receipt_url: str | None = Field(sa_type=Text)
    paid_at: datetime | None
    entry_moment: int | None = Field(sa_type=BigInteger)
    money_back: int = Field(sa_type=BigInteger, sa_column_kwargs=ZERO)
    taken_back: int = Field(sa_type=Credits, sa_column_kwargs=ZERO)
    taken_at: datetime | None
    became_owed: int = Field(sa_type=Credits, sa_column_kwargs=ZERO)
    revision: int = Field(sa_type=BigInteger, sa_column_kwargs=ZERO)
    looks: int = Field(sa_type=SmallInteger, sa_column_kwargs=ZERO)
    looked_at: datetime | None


class PaymentEntryRow(HistoryRow, table=True):
    """A line of the ledger that a payment wrote."""

    __tablename__ = "payment_entries"
    __table_args__ = (
        Index("payment_entries_of_a_payment", "account_id", "payment_moment"),
        IN_SCHEMA,
    )

    key_number: int = Field(primary_key=True, sa_column_kwargs=ZERO)
    payment_moment: int = Field(sa_type=BigInteger)


class PaymentReversalRow(SQLModel, table=True):
    """A refund or a dispute, as its provider last said it stands."""

    __tablename__ = "payment_reversals"
    __table_args__ = (
        account_exists("payment_reversals"),
        CheckConstraint(
            "kind IN ('REFUND', 'DISPUTE') AND state IN"
            " ('PENDING', 'SUCCEEDED', 'FAILED', 'OPEN', 'WON', 'LOST', 'WARNING', 'GONE')",
            name="payment_reversals_words_are_known",
        ),
        CheckConstraint("amount >= 0", name="payment_reversals_amounts_are_never_negative"),
        IN_SCHEMA,
    )

    account_id: int = Field(primary_key=True, sa_type=BigInteger)
    payment_moment: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs=GIVEN)
    kind: str = Field(primary_key=True, sa_type=Text)
    reference: str = Field(primary_key=True, sa_type=Text)
    amount: int = Field(sa_type=BigInteger)
    state: str = Field(sa_type=Text)
    first_seen_at: datetime = Field(sa_column_kwargs=NOW)
    changed_at: datetime = Field(sa_column_kwargs=NOW)


class PaymentEventRow(SQLModel, table=True):
    """A message of a provider that was dealt with."""

    __tablename__ = "payment_events"
    __table_args__ = IN_SCHEMA

    account_id: int = Field(primary_key=True, sa_type=BigInteger)
    provider: str = Field(primary_key=True, sa_type=Text)
    key: str = Field(primary_key=True, sa_type=Text)
    kind: str = Field(sa_type=Text)
    payment_moment: int = Field(sa_type=BigInteger)
    at: datetime = Field(sa_column_kwargs=NOW)


class SandboxChargeRow(SQLModel, table=True):
    """What the sandbox knows of a charge."""

    __tablename__ = "sandbox_charges"
    __table_args__ = IN_SCHEMA

    reference: str = Field(primary_key=True, sa_type=Text)
    facts: dict[str, object] = Field(sa_type=JSONB)
    changed_at: datetime = Field(sa_column_kwargs=NOW)
