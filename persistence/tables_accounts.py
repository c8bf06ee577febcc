"""Tables of accounts, how people sign in to them, and what administrators did."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Identity,
    Index,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    literal_column,
)
from sqlmodel import Field, SQLModel

from persistence.tables_parts import (
    FALSE,
    GIVEN,
    IN_SCHEMA,
    NOW,
    SCHEMA,
    ZERO,
    account_exists,
)


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
        Index(
            "accounts_by_beginning",
            literal_column("lower(display_name)").label("beginning"),
            postgresql_ops={"beginning": "text_pattern_ops"},
        ),
        Index("accounts_in_order", "created_at"),
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
        Index(
            "account_contacts_by_beginning",
            "email",
            postgresql_ops={"email": "text_pattern_ops"},
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
        UniqueConstraint("family_hash", name="sessions_family_is_of_one_session"),
        CheckConstraint(
            "method IN ('PASSWORD', 'MAGIC_LINK', 'GOOGLE', 'SUPABASE')",
            name="sessions_method_is_known",
        ),
        IN_SCHEMA,
    )

    id: UUID = Field(primary_key=True)
    account_id: int = Field(sa_type=BigInteger)
    refresh_token_hash: bytes | None = Field(sa_type=LargeBinary)
    created_at: datetime = Field(sa_column_kwargs=NOW)
    expires_at: datetime
    ended_at: datetime | None
    method: str | None = Field(sa_type=Text)
    family_hash: bytes | None = Field(sa_type=LargeBinary)
    refresh_token_hash_before: bytes | None = Field(sa_type=LargeBinary)
    refreshed_at: datetime | None


class PasswordRow(SQLModel, table=True):
    """What an account's password is checked against."""

    __tablename__ = "passwords"
    __table_args__ = (
        account_exists("passwords"),
        CheckConstraint("hash LIKE '$argon2id$%'", name="passwords_are_hashed"),
        IN_SCHEMA,
    )

    account_id: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs=GIVEN)
    hash: str = Field(sa_type=Text)
    set_at: datetime = Field(sa_column_kwargs=NOW)


class PromisedMailRow(SQLModel, table=True):
    """A mail that was promised and not yet handed over."""

    __tablename__ = "promised_mails"
    __table_args__ = (
        Index("promised_mails_by_turn", "next_try_at"),
        CheckConstraint("kind IN ('SIGN_IN', 'SIGN_UP')", name="promised_mails_kind_is_known"),
        CheckConstraint(
            "password_hash LIKE '$argon2id$%'", name="promised_mails_passwords_are_hashed"
        ),
        IN_SCHEMA,
    )

    id: int = Field(primary_key=True, sa_type=BigInteger, sa_column_args=[Identity(always=True)])
    kind: str = Field(sa_type=Text)
    email: str = Field(sa_type=Text)
    return_path: str | None = Field(sa_type=Text)
    display_name: str | None = Field(sa_type=Text)
    password_hash: str | None = Field(sa_type=Text)
    promised_at: datetime = Field(sa_column_kwargs=NOW)
    tries: int = Field(sa_type=SmallInteger, sa_column_kwargs=ZERO)
    next_try_at: datetime = Field(sa_column_kwargs=NOW)


class MailedLinkRow(SQLModel, table=True):
    """A link on its way to an address, or back from it."""

    __tablename__ = "mailed_links"
    __table_args__ = (
        Index("mailed_links_of_an_address", "email"),
        CheckConstraint(
            "password_hash LIKE '$argon2id$%'", name="mailed_links_passwords_are_hashed"
        ),
        IN_SCHEMA,
    )

    token_hash: bytes = Field(primary_key=True, sa_type=LargeBinary)
    email: str = Field(sa_type=Text)
    signs_up: bool
    display_name: str | None = Field(sa_type=Text)
    password_hash: str | None = Field(sa_type=Text)
    expires_at: datetime
    used_at: datetime | None


class OutsideIdentityRow(SQLModel, table=True):
    """Whom another issuer vouches for."""

    __tablename__ = "outside_identities"
    __table_args__ = (
        account_exists("outside_identities"),
        Index("outside_identities_of_an_account", "account_id"),
        IN_SCHEMA,
    )

    issuer: str = Field(primary_key=True, sa_type=Text)
    subject: str = Field(primary_key=True, sa_type=Text)
    account_id: int = Field(sa_type=BigInteger)
    is_confirmed: bool
    created_at: datetime = Field(sa_column_kwargs=NOW)
    ended_before: datetime | None


class BucketRow(SQLModel, table=True):
    """How full the bucket of an allowance is: when it runs empty, and what was taken last."""

    __tablename__ = "buckets"
    __table_args__ = (
        CheckConstraint("taken >= 0", name="buckets_taken_is_never_negative"),
        {"schema": SCHEMA, "prefixes": ["UNLOGGED"], "postgresql_with": {"fillfactor": 50}},
    )

    key: UUID = Field(primary_key=True)
    empty_at: datetime
    taken: int = Field(sa_type=BigInteger)


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
