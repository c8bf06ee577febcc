"""What administrators do to balances and prices: checked, done once, kept in the audit log."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Final, Protocol
from uuid import UUID

from domain.checking import issues_of_key, issues_of_reason, issues_of_text, raise_issues
from domain.errors import InputIssue, NotFound
from domain.identity import Viewer
from domain.ledger import Once, Posted
from domain.money import format_credits
from domain.outside import Clock
from domain.pricing import RATE_MAX, TOKENS_MAX, Rates
from domain.units import AccountId, EntryId, Microcredits, ModelId

NAME_LENGTH_MAX: Final = 200
_MODEL_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")
_RATES: Final = ("input_per_1k", "cached_input_per_1k", "output_per_1k", "per_request")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChange:
    """Settings of a model; None leaves one as it is. A new model needs all but is_default."""

    id: ModelId
    name: str | None = None
    vendor: str | None = None
    upstream_name: str | None = None
    context_window: int | None = None
    answer_tokens_max: int | None = None
    is_enabled: bool | None = None
    is_default: bool | None = None
    rates: Rates | None = None


class Office(Protocol):
    """The administrators' side of the database.

    Each call names the administrator's session, whose right the database checks again, and commits
    the change together with its audit entry. Raises Forbidden when the right is gone.
    """

    async def recharge(
        self,
        session_id: UUID,
        account_id: AccountId,
        amount: Microcredits,
        *,
        expires_at: datetime | None,
        reason: str,
        once: Once,
    ) -> Posted:
        """Add credits. Raises NotFound or IdempotencyKeyReused."""
        ...

    async def adjust(
        self,
        session_id: UUID,
        account_id: AccountId,
        amount: Microcredits,
        *,
        reason: str,
        once: Once,
    ) -> Posted:
        """Correct a balance either way.

        Raises InsufficientCredits, NotFound, or IdempotencyKeyReused.
        """
        ...

    async def refund(
        self,
        session_id: UUID,
        charge: EntryId,
        amount: Microcredits | None,
        *,
        reason: str,
        once: Once,
    ) -> Posted:
        """Give back a charge, or all that is left of it when the amount is None.

        Raises NotFound unless the entry is a charge, StateConflict when less than the amount is
        left to give back, and IdempotencyKeyReused.
        """
        ...

    async def save_model(self, session_id: UUID, change: ModelChange, *, summary: str) -> None:
        """Add or change a model.

        Raises InvalidInput when a new one lacks a setting, or the default would be none any more.
        """
        ...

    async def set_price(
        self, session_id: UUID, model_id: ModelId, rates: Rates, *, summary: str
    ) -> None:
        """Replace a model's price from now on. Raises NotFound."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Recharging:
    """Changes balances and prices on behalf of administrators.

    Bad input is told with every finding at once, and does not use up the idempotency key.
    """

    office: Office
    clock: Clock

    async def recharge(
        self,
        actor: Viewer,
        account_id: AccountId,
        amount: Microcredits,
        *,
        expires_at: datetime | None,
        reason: str,
        key: str,
    ) -> Posted:
        """Add credits, which lapse at a time to come or never."""
        raise_issues(
            _issues_of_amount(amount),
            self._issues_of_expiry(expires_at),
            issues_of_reason(reason),
            issues_of_key(key),
        )
        # One time has many spellings; the digest is kept for good and knows but one.
        expiry = expires_at.astimezone(UTC).isoformat() if expires_at else None
        once = Once.of("rechargeCredits", key, account_id, amount, expiry, reason)
        return await self.office.recharge(
            actor.session_id, account_id, amount, expires_at=expires_at, reason=reason, once=once
        )

    async def adjust(
        self, actor: Viewer, account_id: AccountId, amount: Microcredits, *, reason: str, key: str
    ) -> Posted:
        """Correct a balance in either direction, never below zero."""
        raise_issues(
            _issues_of_correction(amount),
            issues_of_reason(reason),
            issues_of_key(key),
        )
        once = Once.of("adjustCredits", key, account_id, amount, reason)
        return await self.office.adjust(
            actor.session_id, account_id, amount, reason=reason, once=once
        )

    async def refund(
        self,
        actor: Viewer,
        charge: EntryId,
        amount: Microcredits | None,
        *,
        reason: str,
        key: str,
    ) -> Posted:
        """Give back a charge, or all that is left of it when the amount is None."""
        raise_issues(
            _issues_of_amount(amount),
            issues_of_reason(reason),
            issues_of_key(key),
        )
        purse = charge.purse
        once = Once.of(
            "refundCharge", key, purse.account_id, purse.key_number, charge.moment, amount, reason
        )
        return await self.office.refund(actor.session_id, charge, amount, reason=reason, once=once)

    async def save_model(self, actor: Viewer, change: ModelChange) -> None:
        """Add a model, or change those of its settings that are given."""
        raise_issues(_issues_of_model(change), _issues_of_rates(change.rates))
        await self.office.save_model(actor.session_id, change, summary=_told_model(change))

    async def set_price(self, actor: Viewer, model_id: ModelId, rates: Rates) -> None:
        """Replace a model's price; answers in progress keep the price they began with.

        Raises NotFound when there is no such model.
        """
        raise_issues(_issues_of_rates(rates))
        if not _MODEL_ID.fullmatch(model_id):
            raise NotFound("model")
        await self.office.set_price(
            actor.session_id, model_id, rates, summary=f"price: {_told_rates(rates)}"
        )

    def _issues_of_expiry(self, expires_at: datetime | None) -> Iterator[InputIssue]:
        if expires_at is not None and expires_at <= self.clock.now():
            yield InputIssue(("expires_at",), "Must be in the future.")


def _issues_of_amount(amount: Microcredits | None) -> Iterator[InputIssue]:
    if amount is not None and amount <= 0:
        yield InputIssue(("amount",), "Must be more than zero.")


def _issues_of_correction(amount: Microcredits) -> Iterator[InputIssue]:
    if amount == 0:
        yield InputIssue(("amount",), "Must not be zero.")


def _issues_of_model(change: ModelChange) -> Iterator[InputIssue]:
    if not _MODEL_ID.fullmatch(change.id):
        yield InputIssue(
            ("id",),
            "Must be 1 to 128 letters, digits or . _ : / - and begin with a letter or digit.",
        )
    for name in ("name", "vendor", "upstream_name"):
        text: str | None = getattr(change, name)
        if text is not None:
            yield from issues_of_text(name, text, length_max=NAME_LENGTH_MAX)
    for name in ("context_window", "answer_tokens_max"):
        tokens: int | None = getattr(change, name)
        if tokens is not None and not 1 <= tokens <= TOKENS_MAX:
            yield InputIssue((name,), "Must be at least 1.")
    if change.is_default and change.is_enabled is False:
        yield InputIssue(("is_enabled",), "The default model has to be enabled.")


def _issues_of_rates(rates: Rates | None) -> Iterator[InputIssue]:
    if rates is None:
        return
    for name in _RATES:
        rate: int = getattr(rates, name)
        if name == "cached_input_per_1k" and rate == rates.input_per_1k:
            # Perhaps it was left out, and whoever did so shall not hear of it.
            continue
        if not 0 <= rate <= RATE_MAX:
            dearest = format_credits(Microcredits(RATE_MAX))
            yield InputIssue(("rates", name), f"Must be from 0 to {dearest} credits.")


def _told_model(change: ModelChange) -> str:
    """What was set, for the audit log."""
    given = ((field.name, getattr(change, field.name)) for field in fields(change))
    told = [
        f"{name}: {_told_rates(value) if isinstance(value, Rates) else value}"
        for name, value in given
        if value is not None and name != "id"
    ]
    return "; ".join(told) or "nothing changed"


def _told_rates(rates: Rates) -> str:
    return ", ".join(f"{name} {format_credits(getattr(rates, name))}" for name in _RATES)
