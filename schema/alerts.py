"""What administrators should look at, and their saying that they did."""

from datetime import datetime
from typing import Annotated, Self, TypeAlias

import strawberry

import resolvers.alerts
from domain import alerting
from domain.units import AccountId
from schema.accounts import Account
from schema.enums import AlertKind, AlertSeverity
from schema.ids import alert_name, alert_named
from schema.info import Info
from schema.lookups import Lookups
from schema.nodes import Node
from schema.pages import EDGE, PAGE, PageInfo, Read
from schema.permissions import IsAdmin
from schema.problems import NotFound
from schema.scalars import Count


@strawberry.type(
    description=("Something an administrator should look at. Repeats are counted, not duplicated.")
)
class SystemAlert(Node):
    lookups: strawberry.Private[Lookups]
    seen_by: strawberry.Private[AccountId | None]
    kind: AlertKind
    severity: AlertSeverity
    message: str
    count: Count = strawberry.field(description="How often it has been seen.")
    first_seen_at: datetime
    last_seen_at: datetime
    acknowledged_at: datetime | None

    @classmethod
    def of(cls, alert: alerting.KeptAlert, lookups: Lookups) -> Self:
        return cls(
            lookups=lookups,
            seen_by=alert.acknowledged_by,
            id=alert_name(alert.id),
            kind=alert.kind,
            severity=alert.severity,
            message=alert.message,
            count=Count(alert.count),
            first_seen_at=alert.first_seen_at,
            last_seen_at=alert.last_seen_at,
            acknowledged_at=alert.acknowledged_at,
        )

    @strawberry.field
    async def acknowledged_by(self) -> Account | None:
        return None if self.seen_by is None else await Account.of_id(self.seen_by, self.lookups)


@strawberry.type(description=EDGE)
class AlertEdge:
    cursor: str
    node: SystemAlert


@strawberry.type(description=PAGE)
class AlertConnection:
    read: strawberry.Private[Read[alerting.KeptAlert]]
    nodes: list[SystemAlert]

    @classmethod
    def of(cls, read: Read[alerting.KeptAlert], lookups: Lookups) -> Self:
        return cls(read=read, nodes=[SystemAlert.of(alert, lookups) for alert in read.page.items])

    @strawberry.field
    def edges(self) -> list[AlertEdge]:
        pairs = zip(self.read.cursors(), self.nodes, strict=True)
        return [AlertEdge(cursor=cursor, node=node) for cursor, node in pairs]

    @strawberry.field
    def page_info(self) -> PageInfo:
        return PageInfo.of(self.read)


@strawberry.input(description="For acknowledgeAlert.")
class AcknowledgeAlertInput:
    alert_id: strawberry.ID


@strawberry.type(description="The acknowledged alert.")
class AcknowledgeAlertSuccess:
    alert: SystemAlert


AcknowledgeAlertResult: TypeAlias = Annotated[
    AcknowledgeAlertSuccess | NotFound,
    strawberry.union("AcknowledgeAlertResult", description="Outcome of acknowledgeAlert."),
]


@strawberry.type
class AlertMutation:
    """The part of the root with which administrators attend to alerts."""

    @strawberry.mutation(description="Mark an alert as seen.", permission_classes=[IsAdmin])
    async def acknowledge_alert(
        self, info: Info, input: AcknowledgeAlertInput
    ) -> AcknowledgeAlertResult | None:
        alert = await resolvers.alerts.acknowledge(info.context, alert_named(input.alert_id))
        return AcknowledgeAlertSuccess(alert=SystemAlert.of(alert, Lookups(info.context)))
