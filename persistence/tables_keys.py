"""Tables of API keys and of what they may spend."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel

from persistence.tables_domains import Credits, SomeCredits
from persistence.tables_parts import GIVEN, NOW, SCHEMA, ZERO, account_exists


class ApiKeyRow(SQLModel, table=True):
    """A credential for programs, of which only a hash is kept."""

    __tablename__ = "api_keys"
    __table_args__ = (
        account_exists("api_keys"),
        UniqueConstraint("context_id", name="api_keys_context_is_of_one_key"),
        CheckConstraint("key_number > 0", name="api_keys_number_is_positive"),
        CheckConstraint(
            "octet_length(secret_hash) = 32 AND length(secret_start) <= 4",
            name="api_keys_keep_a_hash_only",
        ),
        CheckConstraint(
            "scopes <@ ARRAY['READ', 'ASK'] AND cardinality(scopes) > 0",
            name="api_keys_scopes_are_known",
        ),
        CheckConstraint("funding IN ('ACCOUNT', 'OWN')", name="api_keys_funding_is_known"),
        CheckConstraint("requests_per_minute > 0", name="api_keys_requests_are_positive"),
        CheckConstraint(
            "emptied_at IS NULL OR revoked_at IS NOT NULL",
            name="api_keys_are_emptied_after_their_end",
        ),
        Index(
            "api_keys_to_empty",
            "account_id",
            "key_number",
            postgresql_where=text(
                "funding = 'OWN' AND revoked_at IS NOT NULL AND emptied_at IS NULL"
            ),
        ),
        {"schema": SCHEMA, "postgresql_with": {"fillfactor": 80}},
    )

    account_id: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs=GIVEN)
    key_number: int = Field(primary_key=True, sa_column_kwargs=GIVEN)
    name: str = Field(sa_type=Text)
    secret_start: str = Field(sa_type=Text)
    secret_hash: bytes = Field(sa_type=LargeBinary)
    context_id: UUID = Field(sa_column_kwargs={"server_default": text("gen_random_uuid()")})
    scopes: list[str] = Field(sa_type=ARRAY(Text))
    funding: str = Field(sa_type=Text)
    allowed_models: list[str] = Field(sa_type=ARRAY(Text))
    requests_per_minute: int | None
    is_enabled: bool = Field(sa_column_kwargs={"server_default": text("true")})
    created_at: datetime = Field(sa_column_kwargs=NOW)
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None
    emptied_at: datetime | None


class KeyBudgetRow(SQLModel, table=True):
    """The most a key may spend of its account's credits in a period, and how far it has come."""

    __tablename__ = "key_budgets"
    __table_args__ = (
        ForeignKeyConstraint(
            ["account_id", "key_number"],
            [f"{SCHEMA}.api_keys.account_id", f"{SCHEMA}.api_keys.key_number"],
            name="key_budgets_key_exists",
        ),
        CheckConstraint(
            "period IN ('DAY', 'WEEK', 'MONTH', 'LIFETIME')", name="key_budgets_period_is_known"
        ),
        CheckConstraint(
            "period_start < period_end", name="key_budgets_period_begins_before_it_ends"
        ),
        {"schema": SCHEMA, "postgresql_with": {"fillfactor": 50}},
    )

    account_id: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs=GIVEN)
    key_number: int = Field(primary_key=True, sa_column_kwargs=GIVEN)
    period: str = Field(sa_type=Text)
    amount_max: int = Field(sa_type=SomeCredits)
    charged: int = Field(sa_type=Credits, sa_column_kwargs=ZERO)
    held: int = Field(sa_type=Credits, sa_column_kwargs=ZERO)
    period_start: int = Field(sa_type=BigInteger)
    period_end: int = Field(sa_type=BigInteger)
