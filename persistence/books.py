"""The read side of the database, as `Books` and `Summaries` of the domain promise it."""

from persistence.books_accounts import AccountReads
from persistence.books_answers import AnswerReads
from persistence.books_balances import BalanceReads
from persistence.books_keys import KeyReads
from persistence.books_ledger import LedgerReads
from persistence.books_payments import PaymentReads
from persistence.books_prices import PriceReads
from persistence.books_summaries import SummaryReads


class PostgresBooks(
    AccountReads,
    KeyReads,
    BalanceReads,
    LedgerReads,
    AnswerReads,
    SummaryReads,
    PaymentReads,
    PriceReads,
):
    """All reads, each in a PostgreSQL transaction of its own with the reader's rights."""

    __slots__ = ()
