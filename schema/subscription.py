"""Everything that can be followed."""

from collections.abc import AsyncGenerator

import strawberry

import resolvers.alerts
import resolvers.answers
import resolvers.balances
import resolvers.payments
from schema.alerts import SystemAlert
from schema.enums import AlertSeverity
from schema.ids import answer_named, payment_named
from schema.info import Info
from schema.lookups import Lookups
from schema.payments import Payment
from schema.permissions import CanAsk, CanRead, IsAdmin, IsUser
from schema.streaming import AnswerChunk, BalanceChange


async def _answer(
    info: Info, id: strawberry.ID, after: int = 0
) -> AsyncGenerator[AnswerChunk, None]:
    # What a piece leads to is looked up anew for each: a stream may last for minutes.
    pieces = resolvers.answers.follow(info.context, answer_named(id), after=after)
    async for piece in pieces:
        yield AnswerChunk.of(piece, Lookups(info.context))


async def _payment_updated(info: Info, id: strawberry.ID) -> AsyncGenerator[Payment, None]:
    async for payment in resolvers.payments.changes(info.context, payment_named(id)):
        yield Payment.of(payment, Lookups(info.context))


async def _balance_changed(info: Info) -> AsyncGenerator[BalanceChange, None]:
    async for change in resolvers.balances.changes(info.context):
        yield BalanceChange.of(change, Lookups(info.context))


async def _alert_raised(
    info: Info, minimum_severity: AlertSeverity = AlertSeverity.INFO
) -> AsyncGenerator[SystemAlert, None]:
    async for alert in resolvers.alerts.raised(info.context, minimum_severity):
        yield SystemAlert.of(alert, Lookups(info.context))


@strawberry.type(
    description=(
        "Over server-sent events or WebSocket (graphql-transport-ws). Streams end when the access "
        "token\ndoes; connect again with a fresh one. No stream has side effects, so reconnecting "
        "is always safe."
    )
)
class Subscription:
    answer: AsyncGenerator[AnswerChunk, None] = strawberry.subscription(
        resolver=_answer,
        description=(
            "The text of an answer as it is produced. Begins with everything after `after` (the "
            "length of\nthe text already shown), continues live, ends after the piece that has "
            "`answer` set. Leaving\ndoes not stop the answer; cancelAnswer does."
        ),
        permission_classes=[CanAsk],
    )
    balance_changed: AsyncGenerator[BalanceChange, None] = strawberry.subscription(
        resolver=_balance_changed,
        description="The balance now, and again after every change.",
        permission_classes=[CanRead],
    )
    payment_updated: AsyncGenerator[Payment, None] = strawberry.subscription(
        resolver=_payment_updated,
        description=(
            "The payment now, and again when its status changes; ends when it is no longer PENDING."
        ),
        permission_classes=[IsUser],
    )
    alert_raised: AsyncGenerator[SystemAlert, None] = strawberry.subscription(
        resolver=_alert_raised,
        description="New or recurring alerts of at least this severity.",
        permission_classes=[IsAdmin],
    )
