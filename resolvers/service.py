"""What this deployment offers, and what is left of the caller's allowance."""

from domain.allowing import Allowance
from domain.offering import Offer
from resolvers.context import Context


def offer(context: Context) -> Offer:
    return context.services.offer


async def allowance(context: Context) -> Allowance:
    """What this request cost; where nobody counted it, it was free."""
    return context.allowance or await context.services.points.take(context.principal, 0)
