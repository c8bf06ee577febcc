"""Tables of what somebody who runs this should look at, and of what the system found by looking."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Identity,
    Index,
    Text,
    text,
)
from sqlmodel import Field, SQLModel

from persistence.tables_parts import IN_SCHEMA, NOW, SCHEMA


class AlertRow(SQLModel, table=True):
    """What somebody should look at, and how often it was seen."""

    __tablename__ = "alerts"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('PROVIDER_FAILURES', 'LEDGER_IMBALANCE', 'STUCK_HOLDS', 'ANSWER_BACKLOG',"
            " 'PAYMENT_MISMATCH', 'WEBHOOK_REJECTED', 'UNUSUAL_SPENDING', 'SIGN_IN_ABUSE')"
            " AND severity IN ('INFO', 'WARNING', 'CRITICAL')",
            name="alerts_words_are_known",
        ),
        CheckConstraint("count > 0", name="alerts_are_seen_at_least_once"),
        Index(
            "alerts_are_counted_until_seen",
            "kind",
            "subject",
            unique=True,
            postgresql_where=text("acknowledged_at IS NULL"),
        ),
        Index("alerts_are_told_in_order", "revision", unique=True),
        IN_SCHEMA,
    )

    id: int = Field(primary_key=True, sa_type=BigInteger, sa_column_args=[Identity(always=True)])
    kind: str = Field(sa_type=Text)
    severity: str = Field(sa_type=Text)
    subject: str = Field(sa_type=Text)
    message: str = Field(sa_type=Text)
    count: int = Field(sa_type=BigInteger, sa_column_kwargs={"server_default": text("1")})
    first_seen_at: datetime = Field(sa_column_kwargs=NOW)
    last_seen_at: datetime = Field(sa_column_kwargs=NOW)
    acknowledged_at: datetime | None
    acknowledged_by: int | None = Field(sa_type=BigInteger)
    revision: int = Field(sa_type=BigInteger)


class BookCheckRow(SQLModel, table=True):
    """What was found when the running system recomputed its books."""

    __tablename__ = "book_checks"
    __table_args__ = (
        CheckConstraint(
            "unfinished BETWEEN 0 AND rules AND imbalances BETWEEN 0 AND differences",
            name="book_checks_count_what_they_found",
        ),
        IN_SCHEMA,
    )

    id: int = Field(primary_key=True, sa_type=BigInteger, sa_column_args=[Identity(always=True)])
    started_at: datetime
    finished_at: datetime = Field(sa_column_kwargs={"server_default": text("clock_timestamp()")})
    rules: int
    unfinished: int
    entries: int = Field(sa_type=BigInteger)
    differences: int = Field(sa_type=BigInteger)
    imbalances: int = Field(sa_type=BigInteger)
    summary: str = Field(sa_type=Text)


class LookRow(SQLModel, table=True):
    """When a kind of look was last taken."""

    __tablename__ = "looks"
    __table_args__ = IN_SCHEMA

    kind: str = Field(primary_key=True, sa_type=Text)
    looked_at: datetime


class AlertConditionRow(SQLModel, table=True):
    """What has begun and is not over, and the alert that tells of it."""

    __tablename__ = "alert_conditions"
    __table_args__ = (
        ForeignKeyConstraint(
            ["alert_id"], [f"{SCHEMA}.alerts.id"], name="alert_conditions_alert_exists"
        ),
        IN_SCHEMA,
    )

    kind: str = Field(primary_key=True, sa_type=Text)
    subject: str = Field(primary_key=True, sa_type=Text)
    alert_id: int = Field(sa_type=BigInteger)
    told_at: datetime
    low_since: datetime | None


class SightingRow(SQLModel, table=True):
    """How often something happened within a minute, over all processes."""

    __tablename__ = "sightings"
    __table_args__ = (CheckConstraint("times > 0", name="sightings_are_of_something"), IN_SCHEMA)

    kind: str = Field(primary_key=True, sa_type=Text)
    minute: datetime = Field(primary_key=True)
    subject: str = Field(primary_key=True, sa_type=Text)
    account_id: int | None = Field(sa_type=BigInteger)
    times: int = Field(sa_type=BigInteger)
