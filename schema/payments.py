"""What can be bought, and what was."""

from datetime import datetime
from typing import Self

import strawberry

import resolvers.payments
import schema.accounts
import schema.ledger
from domain import money, packs, payments
from domain.money import MicroMoney
from domain.running import time_of
from domain.units import Microcredits, PaymentId
from schema.enums import Currency, PaymentProvider, PaymentStatus
from schema.ids import payment_name
from schema.lazy import LazyAccount, LazyLedgerEntry
from schema.lookups import Lookups
from schema.nodes import Node
from schema.pages import EDGE, PAGE, PageInfo, Read
from schema.permissions import IsAdmin


@strawberry.type(description="An amount of real money.")
class Money:
    amount: MicroMoney
    currency: Currency

    @classmethod
    def of(cls, paid: money.Money) -> Self:
        return cls(amount=paid.amount, currency=paid.currency)


@strawberry.type(description="One way to buy a pack.")
class PackOffer:
    provider: PaymentProvider
    price: Money

    @classmethod
    def of(cls, offer: packs.PackOffer) -> Self:
        return cls(provider=offer.provider, price=Money.of(offer.price.money))


@strawberry.type(description="A fixed amount of credits for a fixed price.")
class CreditPack:
    id: strawberry.ID
    name: str
    credits: Microcredits
    valid_days: int | None = strawberry.field(
        description="Days until its credits lapse; null when they never do."
    )
    offers: list[PackOffer] = strawberry.field(
        description="Where and for how much this pack can be bought now."
    )

    @classmethod
    def of(cls, pack: packs.CreditPack, assortment: packs.Assortment) -> Self:
        return cls(
            id=strawberry.ID(pack.id),
            name=pack.name,
            credits=pack.total,
            valid_days=pack.valid_days,
            offers=[PackOffer.of(offer) for offer in assortment.offers(pack)],
        )


@strawberry.type(description="One purchase, from checkout to credits.")
class Payment(Node):
    lookups: strawberry.Private[Lookups]
    payment: strawberry.Private[payments.Payment]
    status: PaymentStatus
    provider: PaymentProvider
    price: Money
    credits: Microcredits
    created_at: datetime
    paid_at: datetime | None
    receipt_url: str | None
    provider_reference: str | None = strawberry.field(
        description="The payment's number at the provider.", permission_classes=[IsAdmin]
    )

    @classmethod
    def of(cls, payment: payments.Payment, lookups: Lookups) -> Self:
        return cls(
            lookups=lookups,
            payment=payment,
            id=payment_name(payment.id),
            status=payment.status,
            provider=payment.provider,
            price=Money.of(payment.price),
            credits=payment.total,
            created_at=time_of(payment.id.moment),
            paid_at=payment.paid_at,
            receipt_url=payment.receipt_url,
            provider_reference=payment.charge_reference or payment.checkout_reference,
        )

    @classmethod
    async def of_id(cls, payment_id: PaymentId | None, lookups: Lookups) -> Self | None:
        """None when there is none, or it is not the caller's to see."""
        found = None if payment_id is None else await lookups.payments.load(payment_id)
        return None if found is None else cls.of(found, lookups)

    @strawberry.field
    def pack(self) -> CreditPack | None:
        context = self.lookups.context
        found = resolvers.payments.pack(context, self.payment.pack_id)
        return None if found is None else CreditPack.of(found, context.services.paying.assortment)

    @strawberry.field(
        description=(
            "The ledger line that added the credits; present exactly when status is SUCCEEDED or "
            "REVERSED."
        )
    )
    async def entry(self) -> LazyLedgerEntry | None:
        entry_id = self.payment.entry_id
        if entry_id is None:
            return None
        return await schema.ledger.LedgerEntry.of_id(entry_id, self.lookups)

    @strawberry.field(permission_classes=[IsAdmin])
    async def account(self) -> LazyAccount | None:
        account_id = self.payment.id.purse.account_id
        return await schema.accounts.Account.of_id(account_id, self.lookups)


@strawberry.type(description=EDGE)
class PaymentEdge:
    cursor: str
    node: Payment


@strawberry.type(description=PAGE)
class PaymentConnection:
    read: strawberry.Private[Read[payments.Payment]]
    nodes: list[Payment]

    @classmethod
    def of(cls, read: Read[payments.Payment], lookups: Lookups) -> Self:
        return cls(read=read, nodes=[Payment.of(payment, lookups) for payment in read.page.items])

    @strawberry.field
    def edges(self) -> list[PaymentEdge]:
        pairs = zip(self.read.cursors(), self.nodes, strict=True)
        return [PaymentEdge(cursor=cursor, node=node) for cursor, node in pairs]

    @strawberry.field
    def page_info(self) -> PageInfo:
        return PageInfo.of(self.read)
