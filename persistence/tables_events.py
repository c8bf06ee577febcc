"""Tables of what the operator's systems are told, and of how that reaches them."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Identity,
    Index,
    SmallInteger,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, SQLModel

from persistence.tables_domains import Credits
from persistence.tables_parts import GIVEN, IN_SCHEMA, NOW, SCHEMA, ZERO

JOBS_SCHEMA: Final = "tallystick_jobs"
"""Where the queue of jobs is, which is its library's."""

_NONE: Final = {"server_default": text("'{}'")}
_TRUE: Final = {"server_default": text("true")}
_ONE: Final = {"server_default": text("1")}
_THEN: Final = {"server_default": text("clock_timestamp()")}
_WAITING: Final = {"server_default": "WAITING"}


class EventWishRow(SQLModel, table=True):
    """What the operator's systems want to be told."""

    __tablename__ = "event_wishes"
    __table_args__ = (CheckConstraint("is_only", name="event_wishes_is_one_row"), IN_SCHEMA)

    is_only: bool = Field(primary_key=True, sa_column_kwargs=_TRUE)
    types: list[str] = Field(sa_type=ARRAY(Text), sa_column_kwargs=_NONE)
    low_balance: int = Field(sa_type=Credits, sa_column_kwargs=ZERO)


class ToldEventRow(SQLModel, table=True):
    """What happened, by the commit in which it did."""

    __tablename__ = "told_events"
    __table_args__ = (
        CheckConstraint(
            "type IN ('balance.low', 'alert.raised', 'payment.succeeded', 'payment.failed',"
            " 'payment.expired', 'payment.reversed', 'answer.finished')",
            name="told_events_types_are_known",
        ),
        Index("told_events_to_spread", "id", postgresql_where=text("spread_at IS NULL")),
        Index("told_events_by_time", "told_at"),
        IN_SCHEMA,
    )

    id: int = Field(primary_key=True, sa_type=BigInteger, sa_column_args=[Identity(always=True)])
    salt: int = Field(sa_type=BigInteger)
    type: str = Field(sa_type=Text)
    account_id: int | None = Field(sa_type=BigInteger)
    facts: dict[str, object] = Field(sa_type=JSONB)
    told_at: datetime = Field(sa_column_kwargs=_THEN)
    spread_at: datetime | None


class EventDeliveryRow(SQLModel, table=True):
    """An event on its way to an endpoint."""

    __tablename__ = "event_deliveries"
    __table_args__ = (
        ForeignKeyConstraint(
            ["event_id"], [f"{SCHEMA}.told_events.id"], name="event_deliveries_event_exists"
        ),
        CheckConstraint(
            "state IN ('WAITING', 'DELIVERED', 'DEAD', 'DISMISSED')",
            name="event_deliveries_states_are_known",
        ),
        CheckConstraint(
            "turn >= 1 AND queued_turn BETWEEN 0 AND turn AND tries >= 0",
            name="event_deliveries_turns_go_up",
        ),
        Index(
            "event_deliveries_to_queue", "next_try_at", postgresql_where=text("state = 'WAITING'")
        ),
        Index("event_deliveries_dead", "event_id", postgresql_where=text("state = 'DEAD'")),
        IN_SCHEMA,
    )

    event_id: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs=GIVEN)
    endpoint: str = Field(primary_key=True, sa_type=Text)
    state: str = Field(sa_type=Text, sa_column_kwargs=_WAITING)
    turn: int = Field(sa_column_kwargs=_ONE)
    queued_turn: int = Field(sa_column_kwargs=ZERO)
    tries: int = Field(sa_column_kwargs=ZERO)
    next_try_at: datetime = Field(sa_column_kwargs=NOW)
    changed_at: datetime = Field(sa_column_kwargs=NOW)


class DeliveryTryRow(SQLModel, table=True):
    """A try to deliver an event, and what came of it."""

    __tablename__ = "delivery_tries"
    __table_args__ = (
        ForeignKeyConstraint(
            ["event_id", "endpoint"],
            [f"{SCHEMA}.event_deliveries.event_id", f"{SCHEMA}.event_deliveries.endpoint"],
            name="delivery_tries_delivery_exists",
        ),
        CheckConstraint(
            "status IS NOT NULL OR fault IS NOT NULL", name="delivery_tries_came_to_something"
        ),
        IN_SCHEMA,
    )

    event_id: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs=GIVEN)
    endpoint: str = Field(primary_key=True, sa_type=Text)
    id: int = Field(primary_key=True, sa_type=BigInteger, sa_column_args=[Identity(always=True)])
    tried_at: datetime = Field(sa_column_kwargs=_THEN)
    status: int | None = Field(sa_type=SmallInteger)
    fault: str | None = Field(sa_type=Text)
    took_ms: int


class GoneEndpointRow(SQLModel, table=True):
    """An endpoint that answered that it is gone."""

    __tablename__ = "gone_endpoints"
    __table_args__ = IN_SCHEMA

    name: str = Field(primary_key=True, sa_type=Text)
    address_digest: UUID
    since: datetime = Field(sa_column_kwargs=NOW)
