"""Tables of usage that was added up, and how far that has come."""

from typing import Final

from sqlalchemy import ARRAY, BigInteger, Boolean, CheckConstraint, Index, SmallInteger, Text, text
from sqlmodel import Field, SQLModel

from persistence.tables_parts import IN_SCHEMA, SCHEMA, ZERO

EVERYBODY: Final = 0
"""Whom cells are of that are not of one account."""


class UsageFoldRow(SQLModel, table=True):
    """A cell: what somebody used within some minutes, by model, key and outcome."""

    __tablename__ = "usage_folds"
    __table_args__ = (
        Index(
            "usage_folds_of_keys",
            "minutes",
            "moment",
            postgresql_where=text("account_id > 0 AND api_key_number > 0"),
        ),
        Index(
            "usage_folds_of_days",
            "moment",
            "account_id",
            postgresql_where=text("minutes = 1440 AND account_id > 0"),
        ),
        {"schema": SCHEMA, "postgresql_with": {"fillfactor": 70}},
    )

    account_id: int = Field(primary_key=True, sa_type=BigInteger)
    minutes: int = Field(primary_key=True, sa_type=SmallInteger)
    moment: int = Field(primary_key=True, sa_type=BigInteger)
    model_id: str = Field(primary_key=True, sa_type=Text)
    api_key_number: int = Field(primary_key=True)
    outcome: str = Field(primary_key=True, sa_type=Text)
    attempts: int = Field(sa_type=BigInteger)
    input_tokens: int = Field(sa_type=BigInteger)
    output_tokens: int = Field(sa_type=BigInteger)
    charged: int = Field(sa_type=BigInteger)
    provider_cost: int = Field(sa_type=BigInteger)
    latency_ms: int = Field(sa_type=BigInteger)
    latency_bins: list[int] = Field(sa_type=ARRAY(SmallInteger))
    latency_counts: list[int] = Field(sa_type=ARRAY(BigInteger))
    first_token_ms: int = Field(sa_type=BigInteger)
    first_token_bins: list[int] = Field(sa_type=ARRAY(SmallInteger))
    first_token_counts: list[int] = Field(sa_type=ARRAY(BigInteger))


class FoldMarkRow(SQLModel, table=True):
    """The moment before which every usage record was added up."""

    __tablename__ = "fold_mark"
    __table_args__ = (CheckConstraint("is_only", name="fold_mark_is_one_row"), IN_SCHEMA)

    is_only: bool = Field(
        primary_key=True, sa_type=Boolean, sa_column_kwargs={"server_default": text("true")}
    )
    moment: int = Field(sa_type=BigInteger, sa_column_kwargs=ZERO)
