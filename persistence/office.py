"""What administrators do, by SQL functions that check their right again and keep the audit log."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import Forbidden, InputIssue, InvalidInput, NotFound, StateConflict
from domain.ledger import EntryKind, Once, Posted
from domain.money import format_credits
from domain.pricing import Rates
from domain.recharging import ModelChange
from domain.units import AccountId, EntryId, Microcredits, ModelId, PurseId
from persistence.engine import Engines
from persistence.faults import (
    CHECK_VIOLATION,
    INSUFFICIENT_PRIVILEGE,
    NOT_IN_THIS_STATE,
    NOT_NULL_VIOLATION,
    OUT_OF_RANGE,
    sqlstate,
)
from persistence.operations import Outcome
from persistence.outcomes import CHANGE, Change, too_much

_POST: Final = text(
    CHANGE + "post_by_admin(:account_id, :kind, :amount, :expires_at, :reason,"
    " :operation, :key, :digest, :summary)"
)
_REFUND: Final = text(
    CHANGE + "refund_charge(:account_id, :key_number, :charge, :amount, :reason,"
    " :operation, :key, :digest, :summary)"
)
_SAVE_MODEL: Final = text(
    "SELECT tallystick.save_model(:id, :name, :vendor, :upstream_name, :context_window,"
    " :answer_tokens_max, :is_enabled, :is_default, :input, :cached_input, :output, :per_request,"
    " :summary)"
)
_BEYOND_WINDOW: Final = text(
    "SELECT context_window FROM tallystick.models WHERE id = :id"
    " AND answer_tokens_max > context_window"
)
_SET_PRICE: Final = text(
    "SELECT tallystick.set_model_price(:id, :input, :cached_input, :output, :per_request, :summary)"
)


@dataclass(frozen=True, slots=True)
class PostgresOffice:
    """The administrators' side of the database, as `domain.recharging.Office` promises it."""

    engines: Engines

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
        values = {
            "kind": EntryKind.RECHARGE,
            "expires_at": expires_at,
            "reason": reason,
            "summary": f"added {format_credits(amount)} credits: {reason}",
            **_once(once),
        }
        return await self._post(session_id, account_id, amount, values)

    async def adjust(
        self,
        session_id: UUID,
        account_id: AccountId,
        amount: Microcredits,
        *,
        reason: str,
        once: Once,
    ) -> Posted:
        values = {
            "kind": EntryKind.ADJUSTMENT,
            "expires_at": None,
            "reason": reason,
            "summary": f"adjusted by {format_credits(amount)} credits: {reason}",
            **_once(once),
        }
        return await self._post(session_id, account_id, amount, values)

    async def refund(
        self,
        session_id: UUID,
        charge: EntryId,
        amount: Microcredits | None,
        *,
        reason: str,
        once: Once,
    ) -> Posted:
        what = "what was left" if amount is None else f"{format_credits(amount)} credits"
        values = {
            "account_id": charge.purse.account_id,
            "key_number": charge.purse.key_number,
            "charge": charge.moment,
            "amount": amount,
            "reason": reason,
            "summary": f"gave back {what} of a charge: {reason}",
            **_once(once),
        }
        async with self._administering(session_id) as connection:
            change = Change(*(await connection.execute(_REFUND, values)).one())
        if change.outcome == Outcome.NO_HOLD:
            raise NotFound("charge")
        if change.outcome == Outcome.INSUFFICIENT:
            left = format_credits(Microcredits(change.total or 0))
            raise StateConflict(f"Of this charge, {left} credits are left to give back.")
        return change.posted(charge.purse, required=amount or Microcredits(0))

    async def save_model(self, session_id: UUID, change: ModelChange, *, summary: str) -> None:
        values = {
            "id": change.id,
            "name": change.name,
            "vendor": change.vendor,
            "upstream_name": change.upstream_name,
            "context_window": change.context_window,
            "answer_tokens_max": change.answer_tokens_max,
            "is_enabled": change.is_enabled,
            "is_default": change.is_default,
            "summary": summary,
            **_rates(change.rates),
        }
        try:
            async with self._administering(session_id) as connection:
                await connection.execute(_SAVE_MODEL, values)
                found = await connection.execute(_BEYOND_WINDOW, {"id": change.id})
                if (window := found.scalar_one_or_none()) is not None:
                    raise InvalidInput.at(
                        "maxOutputTokens", f"Must be at most the context window, which is {window}."
                    )
        except DBAPIError as error:
            state = sqlstate(error)
            if state == NOT_NULL_VIOLATION:
                raise _lacking(change) from error
            if state == NOT_IN_THIS_STATE:
                raise InvalidInput.at(
                    "isDefault",
                    "One model has to be the default. Make another one the default instead.",
                ) from error
            if state == CHECK_VIOLATION:
                raise _impossible(change) from error
            raise

    async def set_price(
        self, session_id: UUID, model_id: ModelId, rates: Rates, *, summary: str
    ) -> None:
        values = {"id": model_id, "summary": summary, **_rates(rates)}
        async with self._administering(session_id) as connection:
            price_id = (await connection.execute(_SET_PRICE, values)).scalar_one()
        if price_id is None:
            raise NotFound("model")

    async def _post(
        self,
        session_id: UUID,
        account_id: AccountId,
        amount: Microcredits,
        values: Mapping[str, object],
    ) -> Posted:
        named = {"account_id": account_id, "amount": amount, **values}
        async with self._administering(session_id) as connection:
            change = Change(*(await connection.execute(_POST, named)).one())
        return change.posted(PurseId(account_id), required=Microcredits(-amount))

    @asynccontextmanager
    async def _administering(self, session_id: UUID) -> AsyncIterator[AsyncConnection]:
        """An administrator's PostgreSQL transaction. Raises Forbidden when it is none's."""
        try:
            async with self.engines.administering(session_id) as connection:
                yield connection
        except DBAPIError as error:
            state = sqlstate(error)
            if state == INSUFFICIENT_PRIVILEGE:
                raise Forbidden from error
            if state == OUT_OF_RANGE:
                raise too_much() from error
            raise


def _once(once: Once) -> dict[str, object]:
    return {
        "operation": once.operation,
        "key": UUID(bytes=once.key),
        "digest": UUID(bytes=once.digest),
    }


def _rates(rates: Rates | None) -> dict[str, object]:
    return {
        "input": rates.input_per_1k if rates else None,
        "cached_input": rates.cached_input_per_1k if rates else None,
        "output": rates.output_per_1k if rates else None,
        "per_request": rates.per_request if rates else None,
    }


def _lacking(change: ModelChange) -> InvalidInput:
    """Every setting that a new model needs and that was not given."""
    needed = {
        "name": change.name,
        "vendor": change.vendor,
        "upstreamName": change.upstream_name,
        "contextWindow": change.context_window,
        "maxOutputTokens": change.answer_tokens_max,
        "enabled": change.is_enabled,
        "price": change.rates,
    }
    return InvalidInput(
        [
            InputIssue((name,), "A new model needs it.")
            for name, value in needed.items()
            if value is None
        ]
    )


def _impossible(change: ModelChange) -> InvalidInput:
    """Which promise of the table the settings would break."""
    if change.is_enabled is False or change.is_default:
        return InvalidInput.at(
            "enabled", "The default model has to be enabled. Make another one the default first."
        )
    return InvalidInput.at("id", "A model's id and limits have to be as the price book has them.")
