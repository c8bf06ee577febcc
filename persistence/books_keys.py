"""API keys and their budgets, as readers may see them: an account's, or a key itself alone."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import ARRAY, BigInteger, Integer, and_, bindparam, case, func
from sqlmodel import col, select
from sqlmodel.sql.expression import Select

from domain.budgets import BudgetPeriod, KeyBudget
from domain.identity import Scope
from domain.key_texts import prefix_of
from domain.keys import KEYS_MAX, ApiKey, KeyFunding, KeyStatus
from domain.reporting import Reader
from domain.running import time_of
from domain.units import AccountId, ApiKeyId, KeyNumber, Microcredits, ModelId, Moment
from persistence.books_reads import Reads, without
from persistence.tables import ApiKeyRow, KeyBudgetRow

_Found = tuple[ApiKeyRow, KeyBudgetRow | None, datetime, int | None]

_NOW: Final = func.now()
_MOMENT: Final = func.floor(func.date_part("epoch", _NOW) * 1_000_000).cast(BigInteger)
_IS_OVER: Final = col(KeyBudgetRow.period_end) <= _MOMENT
_PERIOD_END: Final = case(
    (_IS_OVER, func.tallystick.budget_period_end(KeyBudgetRow.period, _MOMENT)),
    else_=col(KeyBudgetRow.period_end),
)
"""Of the period that now is: one that is over begins anew with the next call."""

_WANTED: Final = (
    func.unnest(
        bindparam("accounts", type_=ARRAY(BigInteger)), bindparam("numbers", type_=ARRAY(Integer))
    )
    .table_valued("account_id", "key_number")
    .render_derived(name="wanted")
)


class KeyReads(Reads):
    """Reads keys, never what their secrets are checked by."""

    __slots__ = ()

    async def api_keys(self, reader: Reader, ids: Sequence[ApiKeyId]) -> dict[ApiKeyId, ApiKey]:
        query = _keys().join(
            _WANTED,
            and_(
                col(ApiKeyRow.account_id) == _WANTED.c.account_id,
                col(ApiKeyRow.key_number) == _WANTED.c.key_number,
            ),
        )
        once = dict.fromkeys(ids)
        params = {"accounts": [i.account_id for i in once], "numbers": [i.number for i in once]}
        async with self.engines.reading(reader) as session:
            found = [_key(row) for row in await session.exec(query, params=params)]
        return {key.id: key for key in found}

    async def api_keys_of(self, reader: Reader, account_id: AccountId) -> list[ApiKey]:
        """Keys that are not revoked come before older ones that are, when there are too many."""
        query = (
            _keys()
            .where(col(ApiKeyRow.account_id) == account_id)
            .order_by(col(ApiKeyRow.revoked_at).is_(None).desc(), col(ApiKeyRow.key_number).desc())
            .limit(KEYS_MAX)
        )
        async with self.engines.reading(reader) as session:
            found = [_key(row) for row in await session.exec(query)]
        return sorted(found, key=lambda key: key.id.number, reverse=True)


def _keys() -> Select[ApiKeyRow, KeyBudgetRow | None, datetime, int | None]:
    return (
        select(ApiKeyRow, KeyBudgetRow, _NOW, _PERIOD_END)
        .join(
            KeyBudgetRow,
            and_(
                col(KeyBudgetRow.account_id) == ApiKeyRow.account_id,
                col(KeyBudgetRow.key_number) == ApiKeyRow.key_number,
            ),
            isouter=True,
        )
        .options(without(ApiKeyRow, "secret_hash"), without(ApiKeyRow, "context_id"))
    )


def _key(found: _Found) -> ApiKey:
    row, budget, now, period_end = found
    key_id = ApiKeyId(AccountId(row.account_id), KeyNumber(row.key_number))
    return ApiKey(
        id=key_id,
        name=row.name,
        prefix=prefix_of(key_id, row.secret_start),
        status=_status(row, now),
        scopes=frozenset(map(Scope, row.scopes)),
        funding=KeyFunding(row.funding),
        budget=_budget(budget, period_end or 0) if budget else None,
        allowed_models=tuple(map(ModelId, row.allowed_models)),
        requests_per_minute=row.requests_per_minute,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        expires_at=row.expires_at,
    )


def _status(row: ApiKeyRow, now: datetime) -> KeyStatus:
    if row.revoked_at is not None:
        return KeyStatus.REVOKED
    if row.expires_at is not None and row.expires_at <= now:
        return KeyStatus.EXPIRED
    return KeyStatus.ACTIVE if row.is_enabled else KeyStatus.DISABLED


def _budget(row: KeyBudgetRow, period_end: int) -> KeyBudget:
    period = BudgetPeriod(row.period)
    charged = row.charged if period_end == row.period_end else 0
    return KeyBudget(
        limit=Microcredits(row.amount_max),
        period=period,
        used=Microcredits(charged + row.held),
        resets_at=None if period is BudgetPeriod.LIFETIME else time_of(Moment(period_end)),
    )
