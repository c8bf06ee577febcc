"""Tables of accounts, their sessions, and what administrators did."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Identity,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
)
from sqlmodel import Field, SQLModel

from persistence.tables_parts import FALSE, GIVEN, IN_SCHEMA, NOW, account_exists


class AccountRow(SQLModel, table=True):
    """A customer."""

    __tablename__ = "accounts"
    __table_args__ = (
        CheckConstraint("role IN ('USER', 'ADMIN')", name="accounts_role_is_known"),
        CheckConstraint("status IN ('ACTIVE', 'SUSPENDED')", name="accounts_status_is_known"),
        CheckConstraint(
            "status = 'ACTIVE' OR suspension_reason IS NOT NULL",
            name="accounts_suspended_have_a_reason",
        ),
        IN_SCHEMA,
    )

    id: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs=GIVEN)
    role: str = Field(sa_type=Text, sa_column_kwargs={"server_default": "USER"})
    status: str = Field(sa_type=Text, sa_column_kwargs={"server_default": "ACTIVE"})
    display_name: str | None = Field(sa_type=Text)
    suspension_reason: str | None = Field(sa_type=Text)
    is_demo: bool = Field(sa_column_kwargs=FALSE)
    created_at: datetime = Field(sa_column_kwargs=NOW)


class AccountContactRow(SQLModel, table=True):
    """The address of a customer, apart so that other readers of accounts never see it."""

    __tablename__ = "account_contacts"
    __table_args__ = (
        account_exists("account_contacts"),
        UniqueConstraint("email", name="account_contacts_email_is_used_once"),
        CheckConstraint(
            "email = lower(email) AND email LIKE '%_@_%'",
            name="account_contacts_email_is_lower_case",
        ),
        IN_SCHEMA,
    )

    account_id: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs=GIVEN)
    email: str = Field(sa_type=Text)
    confirmed_at: datetime | None


class SessionRow(SQLModel, table=True):
    """A signed-in person; what row-level security goes by."""

    __tablename__ = "sessions"
    __table_args__ = (
        account_exists("sessions"),
        Index("sessions_of_an_account", "account_id", "created_at"),
        IN_SCHEMA,
    )

    id: UUID = Field(primary_key=True)
    account_id: int = Field(sa_type=BigInteger)
    refresh_token_hash: bytes | None = Field(sa_type=LargeBinary)
    created_at: datetime = Field(sa_column_kwargs=NOW)
    expires_at: datetime
    ended_at: datetime | None


class AuditRow(SQLModel, table=True):
    """One use of an administrator's rights."""

    __tablename__ = "audit_entries"
    __table_args__ = IN_SCHEMA

    id: int = Field(primary_key=True, sa_type=BigInteger, sa_column_args=[Identity(always=True)])
    at: datetime = Field(sa_column_kwargs=NOW)
    actor_id: int | None = Field(sa_type=BigInteger)
    action: str = Field(sa_type=Text)
    target_id: str | None = Field(sa_type=Text)
    summary: str = Field(sa_type=Text)
