"""Tables of answers: their texts, their usage, and the price book they are charged by."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Identity,
    Index,
    LargeBinary,
    SmallInteger,
    Text,
    text,
)
from sqlmodel import Field, SQLModel

from persistence.tables_parts import (
    A_VIEW,
    FALSE,
    IN_SCHEMA,
    NOW,
    SCHEMA,
    HistoryRow,
    by_time,
    of_a_key,
)


class AnswerTextRow(HistoryRow, table=True):
    """An answer's text, until its retention period has passed."""

    __tablename__ = "answer_texts"
    __table_args__ = IN_SCHEMA

    text: str = Field(sa_type=Text)


class AnswerReplyRow(HistoryRow, table=True):
    """What a call that was passed on was answered with, until its retention period has passed."""

    __tablename__ = "answer_replies"
    __table_args__ = IN_SCHEMA

    reply: bytes = Field(sa_type=LargeBinary)


class AnswerRow(HistoryRow, table=True):
    """An answer: a view over its hold and its text."""

    __tablename__ = "answers"
    __table_args__ = A_VIEW

    api_key_number: int
    status: str = Field(sa_type=Text)
    model_id: str = Field(sa_type=Text)
    price_id: int = Field(sa_type=BigInteger)
    answer_tokens_max: int
    runner: UUID | None
    text: str | None = Field(sa_type=Text)
    finish_reason: str | None = Field(sa_type=Text)
    failure: str | None = Field(sa_type=Text)
    charged: int = Field(sa_type=BigInteger)
    held: int = Field(sa_type=BigInteger)
    ended_moment: int | None = Field(sa_type=BigInteger)
    attempts: int = Field(sa_type=SmallInteger)


class UsageRecordRow(HistoryRow, table=True):
    """One attempt at an answer, or one refusal."""

    __tablename__ = "usage_records"
    __table_args__ = (
        CheckConstraint(
            "outcome IN ('SUCCEEDED', 'FAILED', 'CANCELED', 'REFUSED')",
            name="usage_records_outcome_is_known",
        ),
        CheckConstraint(
            "input_tokens >= 0 AND cached_input_tokens >= 0 AND cached_input_tokens <= input_tokens"
            " AND output_tokens >= 0 AND charged >= 0 AND attempt >= 1",
            name="usage_records_counts_are_never_negative",
        ),
        CheckConstraint(
            "charged = 0 OR outcome IN ('SUCCEEDED', 'CANCELED')",
            name="usage_records_failures_are_free",
        ),
        CheckConstraint(
            "(problem_code IS NULL) = (outcome IN ('SUCCEEDED', 'CANCELED'))",
            name="usage_records_failures_have_a_code",
        ),
        by_time("usage_records"),
        of_a_key("usage_records"),
        {"schema": SCHEMA, "postgresql_partition_by": "RANGE (moment)"},
    )

    api_key_number: int
    answer_moment: int | None = Field(sa_type=BigInteger)
    attempt: int = Field(sa_type=SmallInteger)
    outcome: str = Field(sa_type=Text)
    model_id: str = Field(sa_type=Text)
    price_id: int = Field(sa_type=BigInteger)
    input_tokens: int = Field(sa_type=BigInteger)
    cached_input_tokens: int = Field(sa_type=BigInteger)
    output_tokens: int = Field(sa_type=BigInteger)
    is_estimated: bool
    charged: int = Field(sa_type=BigInteger)
    latency_ms: int | None
    first_token_ms: int | None
    problem_code: str | None = Field(sa_type=Text)
    provider_cost: int | None = Field(sa_type=BigInteger)


class UsageHourRow(SQLModel, table=True):
    """What an account used within an hour, by model and key."""

    __tablename__ = "usage_hours"
    __table_args__ = (
        Index(
            "usage_hours_by_time",
            "hour",
            postgresql_using="brin",
            postgresql_with={"pages_per_range": 16, "autosummarize": "on"},
        ),
        {"schema": SCHEMA, "postgresql_with": {"fillfactor": 70}},
    )

    account_id: int = Field(primary_key=True, sa_type=BigInteger)
    hour: datetime = Field(primary_key=True)
    model_id: str = Field(primary_key=True, sa_type=Text)
    api_key_number: int = Field(primary_key=True)
    attempts: int = Field(sa_type=BigInteger)
    succeeded: int = Field(sa_type=BigInteger)
    failed: int = Field(sa_type=BigInteger)
    canceled: int = Field(sa_type=BigInteger)
    refused: int = Field(sa_type=BigInteger)
    input_tokens: int = Field(sa_type=BigInteger)
    cached_input_tokens: int = Field(sa_type=BigInteger)
    output_tokens: int = Field(sa_type=BigInteger)
    charged: int = Field(sa_type=BigInteger)
    latency_ms: int = Field(sa_type=BigInteger)
    first_token_ms: int = Field(sa_type=BigInteger)
    provider_cost: int = Field(sa_type=BigInteger)


class ModelRow(SQLModel, table=True):
    """A model that can be asked, apart from its price."""

    __tablename__ = "models"
    __table_args__ = (
        CheckConstraint(
            "id ~ '^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$'", name="models_id_is_readable"
        ),
        CheckConstraint(
            "context_window > 0 AND answer_tokens_max > 0", name="models_limits_are_positive"
        ),
        CheckConstraint("is_enabled OR NOT is_default", name="models_default_is_enabled"),
        Index(
            "models_default_is_one", "is_default", unique=True, postgresql_where=text("is_default")
        ),
        IN_SCHEMA,
    )

    id: str = Field(primary_key=True, sa_type=Text)
    name: str = Field(sa_type=Text)
    vendor: str = Field(sa_type=Text)
    upstream_name: str = Field(sa_type=Text)
    context_window: int
    answer_tokens_max: int
    is_enabled: bool
    is_default: bool = Field(sa_column_kwargs=FALSE)
    created_at: datetime = Field(sa_column_kwargs=NOW)


class PriceRow(SQLModel, table=True):
    """What a model costs from a time on; the newest is the one that holds."""

    __tablename__ = "model_prices"
    __table_args__ = (
        ForeignKeyConstraint(
            ["model_id"], [f"{SCHEMA}.models.id"], name="model_prices_model_exists"
        ),
        CheckConstraint(
            "input_per_1k >= 0 AND cached_input_per_1k >= 0"
            " AND output_per_1k >= 0 AND per_request >= 0",
            name="model_prices_are_never_negative",
        ),
        Index("model_prices_of_a_model", "model_id", "id"),
        IN_SCHEMA,
    )

    id: int = Field(primary_key=True, sa_type=BigInteger, sa_column_args=[Identity(always=True)])
    model_id: str = Field(sa_type=Text)
    input_per_1k: int = Field(sa_type=BigInteger)
    cached_input_per_1k: int = Field(sa_type=BigInteger)
    output_per_1k: int = Field(sa_type=BigInteger)
    per_request: int = Field(sa_type=BigInteger)
    provider_input_per_1m: int | None = Field(sa_type=BigInteger)
    provider_cached_input_per_1m: int | None = Field(sa_type=BigInteger)
    provider_output_per_1m: int | None = Field(sa_type=BigInteger)
    effective_from: datetime = Field(sa_column_kwargs={"server_default": text("clock_timestamp()")})
