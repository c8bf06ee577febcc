"""Tables of the ledger: balances, entries, holds, lots and idempotency keys."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Index,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel

from persistence.tables_domains import Credits, EntryKindText, HoldStatusText, SomeCredits
from persistence.tables_parts import (
    IN_SCHEMA,
    SCHEMA,
    ZERO,
    HistoryRow,
    account_exists,
    by_time,
    of_a_key,
)


class BalanceRow(SQLModel, table=True):
    """What a purse holds; the one row every change of it locks."""

    __tablename__ = "balances"
    __table_args__ = (
        account_exists("balances"),
        CheckConstraint("total >= held", name="balances_available_is_never_negative"),
        Index("balances_that_owe", "account_id", postgresql_where=text("owed > 0")),
        {"schema": SCHEMA, "postgresql_with": {"fillfactor": 50}},
    )

    account_id: int = Field(primary_key=True, sa_type=BigInteger)
    key_number: int = Field(primary_key=True, sa_column_kwargs=ZERO)
    total: int = Field(sa_type=Credits, sa_column_kwargs=ZERO)
    held: int = Field(sa_type=Credits, sa_column_kwargs=ZERO)
    owed: int = Field(sa_type=Credits, sa_column_kwargs=ZERO)
    unattributed: int = Field(sa_type=Credits, sa_column_kwargs=ZERO)
    entries: int = Field(sa_type=BigInteger, sa_column_kwargs=ZERO)
    moment: int = Field(sa_type=BigInteger)
    next_expiry: datetime | None


class EntryRow(HistoryRow, table=True):
    """One immutable line of the ledger."""

    __tablename__ = "entries"
    __table_args__ = (
        CheckConstraint(
            "CASE WHEN amount < 0"
            " THEN kind NOT IN ('SIGN_UP_GRANT', 'PURCHASE', 'REFUND', 'RECHARGE')"
            " ELSE amount > 0 AND kind NOT IN ('CHARGE', 'EXPIRY') END",
            name="entries_sign_follows_kind",
        ),
        Index(
            "entries_that_reverse",
            "account_id",
            "reverses_moment",
            postgresql_where=text("reverses_moment IS NOT NULL"),
        ),
        Index(
            "entries_that_give",
            "moment",
            postgresql_include=["amount"],
            postgresql_where=text("kind IN ('SIGN_UP_GRANT', 'RECHARGE')"),
        ),
        by_time("entries"),
        {"schema": SCHEMA, "postgresql_partition_by": "RANGE (moment)"},
    )

    seq: int = Field(sa_type=BigInteger)
    kind: str = Field(sa_type=EntryKindText)
    amount: int = Field(sa_type=BigInteger)
    total_after: int = Field(sa_type=Credits)
    hold_moment: int | None = Field(sa_type=BigInteger)
    reverses_moment: int | None = Field(sa_type=BigInteger)
    actor_id: int | None = Field(sa_type=BigInteger)
    reason: str | None = Field(sa_type=Text)


class HoldRow(HistoryRow, table=True):
    """Credits set aside, and the answer they are for."""

    __tablename__ = "holds"
    __table_args__ = (
        UniqueConstraint("key", "account_id", name="holds_key_has_one_effect"),
        CheckConstraint("captured <= amount", name="holds_capture_never_exceeds_the_hold"),
        CheckConstraint(
            "CASE WHEN ended_moment IS NULL THEN status = 'OPEN' AND captured = 0"
            " ELSE status <> 'OPEN' AND ended_moment > moment"
            " AND (captured = 0 OR status = 'CAPTURED') END",
            name="holds_end_once_and_only_captured_ones_charge",
        ),
        by_time("holds"),
        of_a_key("holds"),
        {"schema": SCHEMA, "postgresql_with": {"fillfactor": 50}},
    )

    api_key_number: int
    amount: int = Field(sa_type=SomeCredits)
    captured: int = Field(sa_type=Credits, sa_column_kwargs=ZERO)
    status: str = Field(sa_type=HoldStatusText, sa_column_kwargs={"server_default": "OPEN"})
    expires_at: datetime
    ended_moment: int | None = Field(sa_type=BigInteger)
    key: UUID
    digest: UUID
    model_id: str | None = Field(sa_type=Text)
    price_id: int | None = Field(sa_type=BigInteger)
    answer_tokens_max: int | None
    runner: UUID | None
    finish_reason: str | None = Field(sa_type=Text)
    failure: str | None = Field(sa_type=Text)
    attempts: int = Field(sa_type=SmallInteger, sa_column_kwargs=ZERO)


class SweepMarkRow(SQLModel, table=True):
    """The moment before which every hold has ended."""

    __tablename__ = "sweep_mark"
    __table_args__ = (CheckConstraint("is_only", name="sweep_mark_is_one_row"), IN_SCHEMA)

    is_only: bool = Field(
        primary_key=True, sa_type=Boolean, sa_column_kwargs={"server_default": text("true")}
    )
    moment: int = Field(sa_type=BigInteger, sa_column_kwargs=ZERO)


class LotRow(HistoryRow, table=True):
    """Credits that came in together and expire together."""

    __tablename__ = "lots"
    __table_args__ = (
        CheckConstraint("amount > 0", name="lots_amount_is_positive"),
        CheckConstraint(
            "remaining >= 0 AND remaining <= amount", name="lots_remaining_is_within_amount"
        ),
        Index("lots_to_burn", "account_id", "key_number", postgresql_where=text("remaining > 0")),
        Index(
            "lots_to_expire",
            "expires_at",
            postgresql_where=text("remaining > 0 AND expires_at IS NOT NULL"),
        ),
        IN_SCHEMA,
    )

    entry_moment: int = Field(sa_type=BigInteger)
    amount: int = Field(sa_type=BigInteger)
    remaining: int = Field(sa_type=BigInteger)
    is_paid: bool
    expires_at: datetime | None


class IdempotencyKeyRow(SQLModel, table=True):
    """A key that was used, and what came of it; holds keep their own."""

    __tablename__ = "idempotency_keys"
    __table_args__ = IN_SCHEMA

    account_id: int = Field(primary_key=True, sa_type=BigInteger)
    operation: str = Field(primary_key=True, sa_type=Text)
    key: UUID = Field(primary_key=True)
    digest: UUID
    moment: int = Field(sa_type=BigInteger)
    key_number: int
