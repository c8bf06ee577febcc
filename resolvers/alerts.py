"""What administrators should look at."""

from collections.abc import AsyncGenerator

from domain.alerting import AlertSeverity, KeptAlert
from domain.reporting import Page, PageRequest
from domain.units import AlertId
from resolvers.context import Context


async def alerts(
    context: Context, page: PageRequest, *, is_acknowledged: bool | None
) -> Page[KeptAlert]:
    """Those that were acknowledged, those that were not, or both."""
    return await context.services.attending.books.alert_page(
        context.admin_reader(), page, is_acknowledged=is_acknowledged
    )


async def acknowledge(context: Context, alert_id: AlertId | None) -> KeptAlert:
    return await context.services.attending.acknowledge(context.signed_in, alert_id)


def raised(context: Context, minimum: AlertSeverity) -> AsyncGenerator[KeptAlert, None]:
    """Alerts of at least this severity, as they are raised or seen again."""
    return context.services.attending.follow(context.signed_in, minimum)
