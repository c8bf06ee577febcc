"""Payments in the database, changed by one function that also changes the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from domain.alerting import Alert
from domain.charging import Begun, Heard, Order, Settled
from domain.errors import Forbidden, IdempotencyKeyReused, LedgerFault, RateLimited
from domain.ledger import Once
from domain.offering import PaymentProvider
from domain.payments import Payment, PaymentMode, Settlement, each_once
from domain.units import AccountId, Moment, PaymentId, PurseId
from persistence.books_payments import payment_of
from persistence.engine import Engines
from persistence.faults import INSUFFICIENT_PRIVILEGE, sqlstate, telling_faults
from persistence.operations import Outcome

UNFINISHED_MAX: Final = 20
"""Checkouts an account may leave unfinished before it has to finish one or wait."""
_RETRY_SECONDS: Final = 600

_BEGIN: Final = text(
    "SELECT outcome, account_id, moment FROM tallystick.begin_payment(:provider, :mode, :pack,"
    " :pack_name, :currency, :price, :basis, :credits, :bonus, :valid_days, :bonus_valid_days,"
    " :unfinished_max, :operation, :key, :digest)"
)
_SETTLE: Final = (
    "SELECT tallystick.settle_payment($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,"
    " $15, $16, $17, $18)"
)
_SETTLED: Final = {
    0: Settled.CHANGED,
    1: Settled.UNCHANGED,
    2: Settled.STALE,
    3: Settled.TAKEN,
}


@dataclass(frozen=True, slots=True)
class PostgresPayments:
    """Payments, as `domain.charging.PaymentBooks` promises them, and the alerts they raise."""

    pool: asyncpg.Pool
    """Of the payments login."""
    engines: Engines

    async def begin(self, session_id: UUID, order: Order, once: Once) -> Begun:
        pack, offer = order.pack, order.offer
        values = {
            "provider": offer.provider,
            "mode": order.mode,
            "pack": pack.id,
            "pack_name": pack.name,
            "currency": order.price.currency,
            "price": order.price.minor,
            "basis": offer.price.basis,
            "credits": pack.credits,
            "bonus": pack.bonus,
            "valid_days": pack.valid_days,
            "bonus_valid_days": pack.bonus_valid_days,
            "unfinished_max": UNFINISHED_MAX,
            "operation": once.operation,
            "key": UUID(bytes=once.key),
            "digest": UUID(bytes=once.digest),
        }
        try:
            async with self.engines.acting(session_id) as connection:
                found = (await connection.execute(_BEGIN, values)).one()
        except DBAPIError as error:
            if sqlstate(error) == INSUFFICIENT_PRIVILEGE:
                raise Forbidden("This needs a signed-in session.") from error
            raise
        if found.outcome == Outcome.CONFLICT:
            raise IdempotencyKeyReused
        if found.outcome == Outcome.INSUFFICIENT:
            raise RateLimited(_RETRY_SECONDS)
        payment_id = PaymentId(PurseId(AccountId(found.account_id)), Moment(found.moment))
        return Begun(await self._known(payment_id), found.outcome == Outcome.REPLAYED)

    async def attach(self, payment_id: PaymentId, reference: str, url: str | None) -> Payment:
        with telling_faults():
            await self.pool.execute(
                "SELECT tallystick.attach_checkout($1, $2, $3, $4)",
                *_named(payment_id),
                reference,
                url,
            )
        return await self._known(payment_id)

    async def find(self, payment_id: PaymentId) -> Payment | None:
        account_id, moment = _named(payment_id)
        with telling_faults():
            row = await self.pool.fetchrow(
                "SELECT * FROM tallystick.find_payments($1, $2)", [account_id], [moment]
            )
        return payment_of(dict(row)) if row else None

    async def find_charge(
        self, provider: PaymentProvider, charge_reference: str
    ) -> PaymentId | None:
        with telling_faults():
            row = await self.pool.fetchrow(
                "SELECT * FROM tallystick.find_charge($1, $2)", provider, charge_reference
            )
        if row is None:
            return None
        return PaymentId(PurseId(AccountId(row["account_id"])), Moment(row["moment"]))

    async def has_heard(self, payment_id: PaymentId, heard: Heard) -> bool:
        with telling_faults():
            known: bool = await self.pool.fetchval(
                "SELECT tallystick.has_heard($1, $2, $3)",
                payment_id.purse.account_id,
                heard.provider,
                heard.key,
            )
        return known

    async def settle(
        self,
        payment: Payment,
        settlement: Settlement,
        heard: Heard | None = None,
        *,
        suspends: bool = False,
    ) -> Settled:
        told = settlement.standing
        reversals = each_once(told.reversals) if told else ()
        with telling_faults():
            try:
                outcome = await self.pool.fetchval(
                    _SETTLE,
                    *_named(payment.id),
                    payment.revision,
                    settlement.status,
                    told.charge_reference if told else None,
                    told.customer_reference if told else None,
                    told.receipt_url if told else None,
                    told.paid_at if told else None,
                    settlement.money_back,
                    settlement.taken_back,
                    told is not None,
                    [each.kind for each in reversals],
                    [each.reference for each in reversals],
                    [each.minor for each in reversals],
                    [each.state for each in reversals],
                    heard.key if heard else None,
                    heard.kind if heard else None,
                    suspends,
                )
            except asyncpg.UniqueViolationError:
                # Two payments were given one charge at the same moment.
                return Settled.TAKEN
        return _SETTLED[outcome]

    async def may_look(self, payment_id: PaymentId, *, pause_seconds: float) -> bool:
        with telling_faults():
            may: bool = await self.pool.fetchval(
                "SELECT tallystick.may_look_at_payment($1, $2, $3)",
                *_named(payment_id),
                timedelta(seconds=pause_seconds),
            )
        return may

    async def due(self, limit: int) -> Sequence[PaymentId]:
        with telling_faults():
            rows = await self.pool.fetch(
                "SELECT account_id, moment FROM tallystick.payments_to_look_at($1)", limit
            )
        return [
            PaymentId(PurseId(AccountId(row["account_id"])), Moment(row["moment"])) for row in rows
        ]

    async def versions(self, keys: Sequence[PaymentId]) -> Sequence[int | None]:
        """The revision of each payment, as `domain.watching.Versions` promises it."""
        with telling_faults():
            rows = await self.pool.fetch(
                "SELECT * FROM tallystick.payment_revisions($1, $2)",
                [key.purse.account_id for key in keys],
                [key.moment for key in keys],
            )
        found = {(row["account_id"], row["moment"]): row["revision"] for row in rows}
        return [found.get((key.purse.account_id, key.moment)) for key in keys]

    async def customer(
        self, account_id: AccountId, provider: PaymentProvider, mode: PaymentMode
    ) -> str | None:
        with telling_faults():
            found: str | None = await self.pool.fetchval(
                "SELECT tallystick.find_customer($1, $2, $3)", account_id, provider, mode
            )
        return found

    async def begun_since(self, since: datetime) -> Sequence[Payment]:
        with telling_faults():
            rows = await self.pool.fetch("SELECT * FROM tallystick.payments_since($1)", since)
        return [payment_of(dict(row)) for row in rows]

    async def raise_alert(self, alert: Alert) -> None:
        with telling_faults():
            await self.pool.execute(
                "SELECT tallystick.raise_alert($1, $2, $3, $4)",
                alert.kind,
                alert.severity,
                alert.subject,
                alert.message,
            )

    async def _known(self, payment_id: PaymentId) -> Payment:
        payment = await self.find(payment_id)
        if payment is None:
            raise LedgerFault("A payment that was just kept is not there.")
        return payment


def _named(payment_id: PaymentId) -> tuple[AccountId, Moment]:
    return payment_id.purse.account_id, payment_id.moment
