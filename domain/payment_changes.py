"""A payment as it changes: how it stands now, and again until it is not pending any more."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from domain.errors import NotFound
from domain.identity import Viewer
from domain.payments import Payment, PaymentStatus
from domain.reporting import Reader
from domain.units import PaymentId
from domain.watching import Watching

_BEFORE_ALL: Final = -1


class ReadsPayments(Protocol):
    """Payments, as a reader may see them."""

    async def payments(
        self, reader: Reader, ids: Sequence[PaymentId]
    ) -> dict[PaymentId, Payment]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentChanges:
    """Tells what becomes of payments."""

    books: ReadsPayments
    watching: Watching[PaymentId]

    async def follow(
        self, viewer: Viewer, payment_id: PaymentId | None
    ) -> AsyncGenerator[Payment, None]:
        """The viewer's payment now, and again when its status changes; ends when that is final.

        Nobody's provider is asked for it: settling is what others do. Raises NotFound.
        """
        if payment_id is None or payment_id.purse.account_id != viewer.account_id:
            raise NotFound("payment")
        reader = Reader(viewer.session_id)
        with self.watching.watch(payment_id) as watch:
            payment = await self._payment(reader, payment_id)
            yield payment
            seen = _BEFORE_ALL
            while payment.status is PaymentStatus.PENDING:
                seen = await watch.beyond(seen)
                payment = await self._payment(reader, payment_id)
                if payment.status is not PaymentStatus.PENDING:
                    yield payment

    async def _payment(self, reader: Reader, payment_id: PaymentId) -> Payment:
        found = await self.books.payments(reader, [payment_id])
        if payment_id not in found:
            raise NotFound("payment")
        return found[payment_id]
