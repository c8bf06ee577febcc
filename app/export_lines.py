"""Lines of an export: what they tell, named as in the API, and how they are written down.

Amounts are decimal strings, times are RFC 3339 in UTC, ids are those of the API. What there is none
of is an empty field in CSV, and null in NDJSON.
"""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import orjson

from app.export_words import Format
from domain.answers import UsageRecord
from domain.ledger import Entry
from domain.money import MicroUSD, format_credits, format_usd
from domain.running import time_of
from domain.units import ApiKeyId, key_of
from schema.ids import account_name, answer_name, entry_name, key_name, price_name, usage_name
from schema.scalars import format_time

Value = str | int | bool | None
Line = Mapping[str, Value]

FREE_TEXT: Final = "reason"
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet take a text for a formula."""

USAGE: Final = (
    "id", "createdAt", "accountId", "apiKeyId", "answerId", "attempt", "outcome", "model",
    "priceId", "inputTokens", "cachedInputTokens", "outputTokens", "estimated", "charged",
    "latencyMs", "firstTokenMs", "problemCode", "providerCost",
)  # fmt: skip
LEDGER: Final = (
    "id", "createdAt", "accountId", "apiKeyId", "kind", "amount", "totalAfter", "answerId",
    "reversesId", "actorId", "reason",
)  # fmt: skip


def usage_line(record: UsageRecord) -> Line:
    account_id = record.id.purse.account_id
    cost = record.provider_cost
    return {
        "id": usage_name(record.id),
        "createdAt": format_time(time_of(record.id.moment)),
        "accountId": account_name(account_id),
        "apiKeyId": _key(key_of(account_id, record.api_key_number)),
        "answerId": None if record.answer_id is None else answer_name(record.answer_id),
        "attempt": record.attempt,
        "outcome": record.outcome.value,
        "model": record.model_id,
        "priceId": price_name(record.price_id),
        "inputTokens": record.input_tokens,
        "cachedInputTokens": record.cached_input_tokens,
        "outputTokens": record.output_tokens,
        "estimated": record.is_estimated,
        "charged": format_credits(record.charged),
        "latencyMs": record.latency_ms,
        "firstTokenMs": record.first_token_ms,
        "problemCode": None if record.problem_code is None else record.problem_code.value,
        "providerCost": None if cost is None else format_usd(MicroUSD(cost)),
    }


def ledger_line(entry: Entry) -> Line:
    purse = entry.id.purse
    return {
        "id": entry_name(entry.id),
        "createdAt": format_time(time_of(entry.id.moment)),
        "accountId": account_name(purse.account_id),
        "apiKeyId": _key(key_of(purse.account_id, purse.key_number)),
        "kind": entry.kind.value,
        "amount": format_credits(entry.amount),
        "totalAfter": format_credits(entry.total_after),
        "answerId": None if entry.answer_id is None else answer_name(entry.answer_id),
        "reversesId": None if entry.reverses is None else entry_name(entry.reverses),
        "actorId": None if entry.actor_id is None else account_name(entry.actor_id),
        "reason": entry.reason,
    }


def _key(key_id: ApiKeyId | None) -> str | None:
    return None if key_id is None else key_name(key_id)


def writer_of(format_: Format, columns: Sequence[str]) -> tuple[bytes, Callable[[Line], bytes]]:
    """What comes before the first line, and what writes one."""
    match format_:
        case Format.NDJSON:
            return b"", lambda line: orjson.dumps(line) + b"\n"
        case Format.CSV:
            return _csv(columns), lambda line: _csv([_cell(name, line[name]) for name in columns])


def _csv(cells: Sequence[str]) -> bytes:
    """One record of RFC 4180."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().encode()


def _cell(name: str, value: Value) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case str():
            return _harmless(value) if name == FREE_TEXT else value


def _harmless(text: str) -> str:
    """Free text that no spreadsheet takes for a formula: what might be one gets an apostrophe."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
