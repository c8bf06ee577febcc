"""Types with a rule of their own: what may stand in a column is checked wherever it stands."""

from typing import Final

from sqlalchemy import DDL, BigInteger, Text, event
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import TypeCompiler
from sqlmodel import SQLModel

from persistence.tables_parts import SCHEMA

RULES: Final = {
    "credits": "AS bigint CONSTRAINT credits_are_never_negative CHECK (VALUE >= 0)",
    "some_credits": "AS bigint CONSTRAINT some_credits_are_more_than_none CHECK (VALUE > 0)",
    "entry_kind": (
        "AS text CONSTRAINT entry_kind_is_known CHECK (VALUE IN ('SIGN_UP_GRANT', 'PURCHASE',"
        " 'CHARGE', 'REFUND', 'RECHARGE', 'ADJUSTMENT', 'TRANSFER', 'CHARGEBACK', 'EXPIRY'))"
    ),
    "hold_status": (
        "AS text CONSTRAINT hold_status_is_known"
        " CHECK (VALUE IN ('OPEN', 'CAPTURED', 'RELEASED', 'EXPIRED'))"
    ),
}


class Credits(BigInteger):
    """Micro-credits, never negative."""


class SomeCredits(BigInteger):
    """Micro-credits, at least one."""


class EntryKindText(Text):
    """Why a balance changed."""


class HoldStatusText(Text):
    """How a hold stands."""


@compiles(Credits)
def _credits(_type: Credits, _compiler: TypeCompiler, **_: object) -> str:
    return f"{SCHEMA}.credits"


@compiles(SomeCredits)
def _some_credits(_type: SomeCredits, _compiler: TypeCompiler, **_: object) -> str:
    return f"{SCHEMA}.some_credits"


@compiles(EntryKindText)
def _entry_kind(_type: EntryKindText, _compiler: TypeCompiler, **_: object) -> str:
    return f"{SCHEMA}.entry_kind"


@compiles(HoldStatusText)
def _hold_status(_type: HoldStatusText, _compiler: TypeCompiler, **_: object) -> str:
    return f"{SCHEMA}.hold_status"


for _name, _rule in RULES.items():
    _make = DDL(f"CREATE DOMAIN {SCHEMA}.{_name} {_rule}")  # type: ignore[no-untyped-call]
    event.listen(SQLModel.metadata, "before_create", _make)
