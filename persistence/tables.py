"""Every table of the books, as SQLModel reads it.

The migrations make the tables; a test compares what they made with what is said here, down to the
last constraint. Nothing is written through these classes: rows change by functions in SQL only.
"""

from typing import Final

from sqlalchemy import MetaData
from sqlmodel import SQLModel

from persistence.tables_accounts import (
    AccountContactRow,
    AccountRow,
    AuditRow,
    BucketRow,
    MailedLinkRow,
    OutsideIdentityRow,
    PasswordRow,
    PromisedMailRow,
    SessionRow,
)
from persistence.tables_alerts import (
    AlertConditionRow,
    AlertRow,
    BookCheckRow,
    LookRow,
    SightingRow,
)
from persistence.tables_answers import (
    AnswerReplyRow,
    AnswerRow,
    AnswerTextRow,
    ModelRow,
    PriceRow,
    UsageHourRow,
    UsageRecordRow,
)
from persistence.tables_events import (
    JOBS_SCHEMA,
    DeliveryTryRow,
    EventDeliveryRow,
    EventWishRow,
    GoneEndpointRow,
    ToldEventRow,
)
from persistence.tables_folds import FoldMarkRow, UsageFoldRow
from persistence.tables_keys import ApiKeyRow, KeyBudgetRow
from persistence.tables_ledger import (
    BalanceRow,
    EntryRow,
    HoldRow,
    IdempotencyKeyRow,
    LotRow,
    SweepMarkRow,
)
from persistence.tables_parts import SCHEMA, VIEW, HistoryRow
from persistence.tables_payments import (
    PaymentEntryRow,
    PaymentEventRow,
    PaymentReversalRow,
    PaymentRow,
    SandboxChargeRow,
)
from persistence.tables_pieces import AnswerFollowerRow, AnswerPieceRow
from persistence.tables_runners import CancelRequestRow, RunnerRow, WaitingQuestionRow

__all__ = [
    "JOBS_SCHEMA",
    "SCHEMA",
    "VIEW",
    "AccountContactRow",
    "AccountRow",
    "AlertConditionRow",
    "AlertRow",
    "AnswerFollowerRow",
    "AnswerPieceRow",
    "AnswerReplyRow",
    "AnswerRow",
    "AnswerTextRow",
    "ApiKeyRow",
    "AuditRow",
    "BalanceRow",
    "BookCheckRow",
    "BucketRow",
    "CancelRequestRow",
    "DeliveryTryRow",
    "EntryRow",
    "EventDeliveryRow",
    "EventWishRow",
    "FoldMarkRow",
    "GoneEndpointRow",
    "HistoryRow",
    "HoldRow",
    "IdempotencyKeyRow",
    "KeyBudgetRow",
    "LookRow",
    "LotRow",
    "MailedLinkRow",
    "ModelRow",
    "OutsideIdentityRow",
    "PasswordRow",
    "PaymentEntryRow",
    "PaymentEventRow",
    "PaymentReversalRow",
    "PaymentRow",
    "PriceRow",
    "PromisedMailRow",
    "RunnerRow",
    "SandboxChargeRow",
    "SessionRow",
    "SightingRow",
    "SweepMarkRow",
    "ToldEventRow",
    "UsageFoldRow",
    "UsageHourRow",
    "UsageRecordRow",
    "WaitingQuestionRow",
    "metadata",
]

metadata: Final[MetaData] = SQLModel.metadata
