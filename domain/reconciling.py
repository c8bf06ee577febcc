"""Comparing payments with their providers', day by day: differences are told, never mended here."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from domain.alerting import Alert, AlertKind, Alerts, AlertSeverity
from domain.charging import PaymentBooks, PaymentProcessor
from domain.offering import PaymentProvider
from domain.outside import Clock
from domain.payments import Payment, Progress, Standing, judged, payment_named
from domain.units import PaymentId

SKEW: Final = timedelta(hours=1)
"""How much earlier a provider's clock may say that something was."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A payment about which its provider and the books disagree, and in what."""

    reference: str
    provider: PaymentProvider
    told: str


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What was compared, and what disagreed."""

    providers: Sequence[PaymentProvider]
    compared: int
    mismatches: Sequence[Mismatch]

    def lines(self) -> Sequence[str]:
        """The outcome for a person, one line each; the first says whether all is well."""
        names = " and ".join(self.providers) or "nobody"
        if not self.mismatches:
            return [f"Compared {self.compared} payments with {names}: all agree."]
        return [
            f"Compared {self.compared} payments with {names}: {len(self.mismatches)} disagree.",
            *(f"  {each.provider} {each.reference}: {each.told}" for each in self.mismatches),
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciling:
    """Compares both sides of the last days."""

    books: PaymentBooks
    processors: Mapping[PaymentProvider, PaymentProcessor]
    alerts: Alerts
    clock: Clock

    async def reconcile(self, *, days: int) -> Reconciliation:
        """Compare what was charged and begun since then; each difference raises an alert.

        Raises ProcessorFailed when a provider cannot be asked, and Unavailable.
        """
        since = self.clock.now() - timedelta(days=days)
        ours = await self.books.begun_since(since)
        compared: set[PaymentId] = set()
        mismatches: list[Mismatch] = []
        for processor in self.processors.values():
            seen = set()
            async for payment_id, told in self._theirs(processor, since):
                seen.add(payment_id)
                if told is not None:
                    mismatches.append(told)
            mismatches += [
                Mismatch(payment.reference, payment.provider, "its provider does not know it")
                for payment in ours
                if payment.status.brought_credits
                and (payment.provider, payment.mode) == (processor.provider, processor.mode)
                and payment.id not in seen
            ]
            compared |= seen
        for mismatch in mismatches:
            await self._alert(mismatch)
        return Reconciliation(tuple(self.processors), len(compared), mismatches)

    async def _theirs(
        self, processor: PaymentProcessor, since: datetime
    ) -> AsyncIterator[tuple[PaymentId, Mismatch | None]]:
        async for standing in processor.charged_since(since - SKEW):
            payment_id = payment_named(standing.reference or "")
            # Of one payment there may be several pages, all but one of them unpaid.
            if payment_id is None or standing.progress is not Progress.PAID:
                continue
            told = await self._told(processor, payment_id, standing)
            reference = standing.reference or ""
            yield (
                payment_id,
                None if told is None else Mismatch(reference, processor.provider, told),
            )

    async def _told(
        self, processor: PaymentProcessor, payment_id: PaymentId, standing: Standing
    ) -> str | None:
        """In what the two sides disagree about a payment that was paid."""
        payment = await self.books.find(payment_id)
        if payment is None:
            return "it was paid, and is none of these books"
        if self._difference(payment, standing) is None:
            return None
        # It may have changed between the two looks: look once more at both.
        afresh = await processor.standing(payment)
        return self._difference(await self.books.find(payment_id) or payment, afresh or standing)

    def _difference(self, payment: Payment, standing: Standing) -> str | None:
        settlement = judged(payment, standing, now=self.clock.now())
        if settlement.mismatch is not None:
            return settlement.mismatch
        if payment.charge_reference not in {None, standing.charge_reference}:
            return "it was paid by another charge as well"
        if settlement.status is not payment.status:
            return f"{payment.status} here, but {settlement.status} by what its provider says"
        if settlement.money_back != payment.money_back:
            return f"{payment.money_back} went back here, {settlement.money_back} there"
        return None

    async def _alert(self, mismatch: Mismatch) -> None:
        await self.alerts.raise_alert(
            Alert(
                kind=AlertKind.PAYMENT_MISMATCH,
                severity=AlertSeverity.CRITICAL,
                subject=mismatch.reference,
                message=f"Payment {mismatch.reference} by {mismatch.provider}: {mismatch.told}.",
            )
        )
