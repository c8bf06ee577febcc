"""What tables are made of: their schema, defaults that several share, and how history is named."""

from typing import ClassVar, Final

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, text
from sqlmodel import Field, SQLModel

SCHEMA: Final = "tallystick"
VIEW: Final = {"is_view": True}
"""What marks a table in `metadata` that is a view in the database."""

IN_SCHEMA: Final = {"schema": SCHEMA}
A_VIEW: Final = {"schema": SCHEMA, "info": VIEW}
ZERO: Final = {"server_default": text("0")}
FALSE: Final = {"server_default": text("false")}
NOW: Final = {"server_default": text("now()")}
GIVEN: Final = {"autoincrement": False}
"""A key that we make ourselves, not a sequence."""


def account_exists(table: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["account_id"], [f"{SCHEMA}.accounts.id"], name=f"{table}_account_exists"
    )


def by_time(table: str) -> Index:
    """Summaries of pages: what it takes to find a time in a log that only grows."""
    return Index(
        f"{table}_by_time",
        "moment",
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 16, "autosummarize": "on"},
    )


def of_a_key(table: str) -> Index:
    """What API keys did, in the order of time; rows of sessions are not in it and cost nothing."""
    return Index(
        f"{table}_of_a_key",
        "account_id",
        "api_key_number",
        "moment",
        postgresql_where=text("api_key_number > 0"),
    )


class HistoryRow(SQLModel):
    """What happened to a purse, named by the moment it happened."""

    __tablename__: ClassVar[str]

    account_id: int = Field(primary_key=True, sa_type=BigInteger)
    moment: int = Field(primary_key=True, sa_type=BigInteger)
    key_number: int = Field(primary_key=True)
