"""Types that lead back to each other: an account to its entries, and an entry to its account.

Modules of such types import each other whole and look into each other when they are asked.
"""

from typing import TYPE_CHECKING, Annotated, TypeAlias

import strawberry

if TYPE_CHECKING:
    from schema.accounts import Account
    from schema.answers import Answer
    from schema.balances import Balance
    from schema.keys import ApiKey
    from schema.ledger import LedgerConnection, LedgerEntry
    from schema.payments import Payment, PaymentConnection
    from schema.usage import UsageConnection, UsageRecord
    from schema.usage_summary import UsageSummary

LazyAccount: TypeAlias = Annotated["Account", strawberry.lazy("schema.accounts")]
LazyAnswer: TypeAlias = Annotated["Answer", strawberry.lazy("schema.answers")]
LazyApiKey: TypeAlias = Annotated["ApiKey", strawberry.lazy("schema.keys")]
LazyBalance: TypeAlias = Annotated["Balance", strawberry.lazy("schema.balances")]
LazyLedgerEntry: TypeAlias = Annotated["LedgerEntry", strawberry.lazy("schema.ledger")]
LazyLedgerConnection: TypeAlias = Annotated["LedgerConnection", strawberry.lazy("schema.ledger")]
LazyPayment: TypeAlias = Annotated["Payment", strawberry.lazy("schema.payments")]
LazyPaymentConnection: TypeAlias = Annotated[
    "PaymentConnection", strawberry.lazy("schema.payments")
]
LazyUsageRecord: TypeAlias = Annotated["UsageRecord", strawberry.lazy("schema.usage")]
LazyUsageConnection: TypeAlias = Annotated["UsageConnection", strawberry.lazy("schema.usage")]
LazyUsageSummary: TypeAlias = Annotated["UsageSummary", strawberry.lazy("schema.usage_summary")]
