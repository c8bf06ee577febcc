"""Leases, the queue and requests to cancel, called with the worker's login."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

import asyncpg

from domain.money import MicroUSD
from domain.pricing import Model, Price, ProviderRates
from domain.questions import Message, MessageRole, Question
from domain.running import Run
from domain.units import (
    AccountId,
    AnswerId,
    KeyNumber,
    Microcredits,
    ModelId,
    Moment,
    PriceId,
    PurseId,
)
from persistence.faults import telling_faults
from persistence.notify import Channel, Notices

_CALL: Final = "SELECT tallystick."


@dataclass(frozen=True, slots=True)
class PostgresRunners:
    """What processes that run answers share, as one of them sees it.

    Keeps the promises of `domain.leasing.Leases`, `domain.queueing.Queue` and
    `domain.canceling.CancelRequests`.
    """

    pool: asyncpg.Pool
    runner: UUID
    notices: Notices | None = None
    """Told when there is something to fetch or to cancel, so that nobody waits for its poll."""

    async def renew(self, seconds: int) -> Sequence[AnswerId]:
        with telling_faults():
            rows = await self.pool.fetch(
                "SELECT * FROM tallystick.renew_lease($1, $2)", self.runner, seconds
            )
        return [_answer_id(row) for row in rows]

    async def end(self) -> None:
        with telling_faults():
            await self.pool.execute(f"{_CALL}end_lease($1)", self.runner)

    async def give_up_lost(self, seconds: int) -> int:
        with telling_faults():
            given_up = await self.pool.fetchval(f"{_CALL}give_up_lost_answers($1)", seconds)
        return int(given_up)

    async def has_room(self, waiting_max: int) -> bool:
        with telling_faults():
            waiting = await self.pool.fetchval(f"{_CALL}waiting_answers($1)", waiting_max)
        return int(waiting) < waiting_max

    async def keep(self, run: Run) -> None:
        with telling_faults():
            await self.pool.execute(
                f"{_CALL}keep_question($1, $2, $3, $4)", *_name(run.answer_id), _written(run)
            )
        await self._tell(Channel.QUEUED, run.answer_id)

    async def claim(self, limit: int, *, lasts_seconds: int) -> Sequence[Run]:
        with telling_faults():
            rows = await self.pool.fetch(
                "SELECT * FROM tallystick.claim_answers($1, $2, $3)",
                self.runner,
                limit,
                lasts_seconds,
            )
        return [_run(row) for row in rows]

    async def as_held(self, run: Run) -> Run | None:
        with telling_faults():
            row = await self.pool.fetchrow(
                "SELECT * FROM tallystick.held_answer($1, $2, $3, $4)",
                self.runner,
                *_name(run.answer_id),
            )
        if row is None:
            return None
        return replace(
            run,
            model=_model(row),
            answer_tokens_max=row["tokens_max"],
            held=Microcredits(row["amount"]),
        )

    async def hand_back(self, run: Run, *, lasts_seconds: int) -> bool:
        with telling_faults():
            is_back = await self.pool.fetchval(
                f"{_CALL}hand_back_answer($1, $2, $3, $4, $5, $6)",
                self.runner,
                *_name(run.answer_id),
                _written(run),
                lasts_seconds,
            )
        await self._tell(Channel.QUEUED, run.answer_id)
        return bool(is_back)

    async def withdraw(self, answer_id: AnswerId) -> bool:
        with telling_faults():
            is_out = await self.pool.fetchval(
                f"{_CALL}withdraw_answer($1, $2, $3)", *_name(answer_id)
            )
        return bool(is_out)

    async def request(self, answer_id: AnswerId) -> None:
        with telling_faults():
            await self.pool.execute(f"{_CALL}request_cancel($1, $2, $3)", *_name(answer_id))
        await self._tell(Channel.UNWANTED, answer_id)

    async def _tell(self, channel: Channel, answer_id: AnswerId) -> None:
        if self.notices is not None:
            await self.notices.tell(channel, " ".join(map(str, _name(answer_id))))


def _name(answer_id: AnswerId) -> tuple[int, int, int]:
    purse = answer_id.purse
    return purse.account_id, purse.key_number, answer_id.moment


def _answer_id(row: asyncpg.Record) -> AnswerId:
    purse = PurseId(AccountId(row["account_id"]), KeyNumber(row["key_number"]))
    return AnswerId(purse, Moment(row["moment"]))


def _written(run: Run) -> str:
    """The part of a question that its hold does not know."""
    question = run.question
    messages = [[message.role.value, message.content] for message in question.messages]
    return json.dumps(
        {"messages": messages, "temperature": question.temperature}, ensure_ascii=False
    )


def _run(row: asyncpg.Record) -> Run:
    kept = json.loads(row["question"])
    return Run(
        answer_id=_answer_id(row),
        question=Question(
            messages=tuple(
                Message(MessageRole(role), content) for role, content in kept["messages"]
            ),
            model=ModelId(row["model_id"]),
            answer_tokens_max=row["tokens_max"],
            temperature=kept["temperature"],
        ),
        model=_model(row),
        answer_tokens_max=row["tokens_max"],
        held=Microcredits(row["amount"]),
        api_key_number=KeyNumber(row["api_key_number"]),
    )


def _model(row: asyncpg.Record) -> Model:
    provider = None
    if row["provider_input_per_1m"] is not None:
        provider = ProviderRates(
            input_per_1m=MicroUSD(row["provider_input_per_1m"]),
            cached_input_per_1m=MicroUSD(row["provider_cached_input_per_1m"]),
            output_per_1m=MicroUSD(row["provider_output_per_1m"]),
        )
    return Model(
        id=ModelId(row["model_id"]),
        name=row["name"],
        vendor=row["vendor"],
        upstream_name=row["upstream_name"],
        context_window=row["context_window"],
        answer_tokens_max=row["answer_tokens_max"],
        price=Price(
            id=PriceId(row["price_id"]),
            input_per_1k=Microcredits(row["input_per_1k"]),
            cached_input_per_1k=Microcredits(row["cached_input_per_1k"]),
            output_per_1k=Microcredits(row["output_per_1k"]),
            per_request=Microcredits(row["per_request"]),
            provider=provider,
            effective_from=row["effective_from"],
        ),
    )
