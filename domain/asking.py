"""Answers questions, paid from a purse: first the hold, then the answer, then the charge."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol
from uuid import UUID

from domain.answers import Answer, AnswerBeginning, AnswerStatus
from domain.errors import (
    BudgetExceeded,
    InsufficientCredits,
    NotFound,
    Problem,
    ProviderFailed,
    ProviderFailure,
    Unavailable,
)
from domain.identity import Viewer
from domain.keys import ApiKey
from domain.ledger import Balance, Holds, HoldTaken, Once
from domain.pricing import Model, prompt_tokens_bound
from domain.questions import Question, check, digest
from domain.queueing import Queueing
from domain.reporting import Reader
from domain.running import Finished, HandedBack, Run, Running
from domain.tracing import span
from domain.units import AccountId, AnswerId, ApiKeyId, Microcredits, ModelId, PurseId

OPERATION: Final = "askAI"
_POLL_SECONDS: Final = 0.1
_POLL_SECONDS_MAX: Final = 0.5


@dataclass(frozen=True, slots=True)
class Asked:
    """The question was accepted; the answer is finished, or as far as it came in the time given."""

    answer: Answer
    balance: Balance
    replayed: bool


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most a call can use: its prompt, and the longest answer in each of its choices."""

    prompt_tokens_max: int
    answer_tokens_max: int
    choices: int = 1


class Admission(Protocol):
    """Says who may ask now."""

    async def admit(self, viewer: Viewer) -> None:
        """Count one question; raises RateLimited when there were too many lately."""
        ...


class PriceBook(Protocol):
    """The models that can be asked, with the prices that hold now."""

    async def find(self, model_id: ModelId | None) -> Model | None:
        """An enabled model that somebody here serves; the default one when none is named."""
        ...


class StoredAnswers(Protocol):
    """Answers as the database has them, whoever runs them."""

    async def find(self, answer_id: AnswerId) -> tuple[Answer, UUID | None]:
        """An answer, and the process that runs or ran it. Raises NotFound."""
        ...

    async def find_by_key(self, account_id: AccountId, once: Once) -> AnswerId | None:
        """The answer that a key led to; raises IdempotencyKeyReused if it was asked for another."""
        ...


class Balances(Protocol):
    """What purses hold and keys may spend, as their owner may see it."""

    async def balances(
        self, reader: Reader, purses: Sequence[PurseId]
    ) -> dict[PurseId, Balance]: ...
    async def api_keys(self, reader: Reader, ids: Sequence[ApiKeyId]) -> dict[ApiKeyId, ApiKey]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Accepts questions, starts their answers, and waits for them as long as the caller likes."""

    ledger: Holds
    prices: PriceBook
    running: Running
    queueing: Queueing
    stored: StoredAnswers
    balances: Balances
    admission: Admission
    runner: UUID

    async def ask(self, viewer: Viewer, question: Question, key: str, wait_seconds: float) -> Asked:
        """Hold the most the answer may cost, have it answered, and capture what it did cost.

        The same key leads to the same answer, running or finished, and asks nobody twice; if its
        model cannot be asked any more, it is told as it stands. Raises InvalidInput, NotFound
        (model), RateLimited, InsufficientCredits, IdempotencyKeyReused, Unavailable before anything
        is held; ProviderFailed once the answer has failed.
        """
        check(question)
        once = Once.of(OPERATION, key, digest(question))
        try:
            model = await self.model(question.model)
            await self._admit(viewer, model)
        except NotFound as gone:
            return await self.told_before(viewer, once, gone)
        answer_tokens_max = model.answer_tokens_for(question.answer_tokens_max)
        # Nothing may be waited for between this and the room that is kept for a run.
        status = await self.queueing.status_of_next()
        taken = await self._accept(
            viewer,
            model,
            Bounds(prompt_tokens_bound(question.messages), answer_tokens_max),
            once,
            status,
        )
        run = Run(
            answer_id=AnswerId(taken.hold_id.purse, taken.hold_id.moment),
            question=question,
            model=model,
            answer_tokens_max=answer_tokens_max,
            held=taken.amount,
            api_key_number=viewer.api_key_number,
        )
        if taken.replayed:
            return await self.attach(viewer, run, wait_seconds)
        if status is AnswerStatus.QUEUED or self.running.has_run(run.answer_id):
            # It waits; or a repetition was told of the hold first, and has run it already.
            if status is AnswerStatus.QUEUED:
                await self.queueing.keep(run)
            else:
                self.running.withdraw()
            followed = await self.attach(viewer, run, wait_seconds)
            return replace(followed, replayed=False)
        return await self._wait(self.running.start(run), run, taken.balance, wait_seconds)

    async def model(self, model_id: ModelId | None) -> Model:
        """A model that can be asked; raises NotFound."""
        model = await self.prices.find(model_id)
        if model is None:
            raise NotFound("model")
        return model

    async def accept(self, viewer: Viewer, model: Model, bounds: Bounds, once: Once) -> HoldTaken:
        """Admit a call and hold the most it may cost: whatever calls a provider comes this way.

        It has room kept for it, and has to be started unless it replays. Raises NotFound for a
        model that an API key may not ask, RateLimited, InsufficientCredits, BudgetExceeded,
        IdempotencyKeyReused, Unavailable, with nothing held.
        """
        await self._admit(viewer, model)
        return await self._accept(viewer, model, bounds, once, AnswerStatus.RUNNING)

    async def _admit(self, viewer: Viewer, model: Model) -> None:
        if not viewer.may_ask(model.id):
            raise NotFound("model that this API key may ask")
        await self.admission.admit(viewer)

    async def _accept(
        self, viewer: Viewer, model: Model, bounds: Bounds, once: Once, status: AnswerStatus
    ) -> HoldTaken:
        if status is AnswerStatus.QUEUED:
            return await self._hold(viewer, model, bounds, once, status)
        self.running.admit()
        is_coming = False
        try:
            taken = await self._hold(viewer, model, bounds, once, status)
            is_coming = not taken.replayed
        finally:
            if not is_coming:
                self.running.withdraw()
        return taken

    async def _hold(
        self, viewer: Viewer, model: Model, bounds: Bounds, once: Once, status: AnswerStatus
    ) -> HoldTaken:
        price = model.price
        ceiling = price.ceiling(
            prompt_tokens_max=bounds.prompt_tokens_max,
            answer_tokens_max=bounds.choices * bounds.answer_tokens_max,
        )
        try:
            with span("hold", {"gen_ai.request.model": model.id}):
                return await self.ledger.hold(
                    viewer.purse,
                    # A free model is held for as well: no provider is called without a hold.
                    max(ceiling, Microcredits(1)),
                    _sent_by(viewer, once),
                    lasts_seconds=self.queueing.hold_seconds(status),
                    beginning=AnswerBeginning(
                        model_id=model.id,
                        price_id=price.id,
                        answer_tokens_max=bounds.choices * bounds.answer_tokens_max,
                        status=status,
                        api_key_number=viewer.api_key_number,
                    ),
                )
        except InsufficientCredits as refused:
            raise InsufficientCredits(
                required=refused.required,
                available=refused.available,
                affordable_answer_tokens=price.affordable_answer_tokens(
                    prompt_tokens_max=bounds.prompt_tokens_max,
                    available=refused.available,
                    answer_tokens_max=bounds.choices * model.answer_tokens_max,
                )
                // bounds.choices,
            ) from None
        except BudgetExceeded as refused:
            raise await self._told(viewer, refused) from None

    async def _told(self, viewer: Viewer, refused: BudgetExceeded) -> Problem:
        """The refusal with the budget that was short."""
        key_id = viewer.api_key_id
        if key_id is not None:
            found = await self.balances.api_keys(Reader(viewer.session_id), [key_id])
            if key_id in found and (budget := found[key_id].budget) is not None:
                return BudgetExceeded(required=refused.required, budget=budget)
        return Unavailable("The API key was changed meanwhile. Try again.")

    async def told_before(self, viewer: Viewer, once: Once, gone: NotFound) -> Asked:
        """What became of a question that was asked with this key while its model was there.

        Raises `gone` when there was none, and IdempotencyKeyReused.
        """
        answer_id = await self.stored.find_by_key(viewer.account_id, _sent_by(viewer, once))
        if answer_id is None:
            raise gone
        answer, _ = await self.stored.find(answer_id)
        return _told(answer, await self._balance(viewer), replayed=True)

    async def _wait(
        self, task: "asyncio.Task[Finished]", run: Run, balance: Balance, wait_seconds: float
    ) -> Asked:
        await asyncio.wait({task}, timeout=wait_seconds)
        if not task.done():
            return Asked(run.in_progress(), balance, replayed=False)
        try:
            finished = task.result()
        except HandedBack:
            return Asked(run.in_progress(AnswerStatus.QUEUED), balance, replayed=False)
        return _told(finished.answer, finished.balance, replayed=False)

    async def attach(self, viewer: Viewer, run: Run, wait_seconds: float) -> Asked:
        """Follow an answer that was accepted before, wherever it runs or waits to run."""
        loop = asyncio.get_running_loop()
        until = loop.time() + wait_seconds
        pause_seconds = _POLL_SECONDS
        while True:
            task = self.running.find(run.answer_id)
            answer = run.in_progress() if task else await self._looked_up(run)
            left = until - loop.time()
            if answer.status.is_final or left <= 0:
                return _told(answer, await self._balance(viewer), replayed=True)
            task = task or self.running.find(run.answer_id)
            if task is not None:
                await asyncio.wait({task}, timeout=left)
            else:
                await asyncio.sleep(min(left, pause_seconds))
                pause_seconds = min(2 * pause_seconds, _POLL_SECONDS_MAX)

    async def _looked_up(self, run: Run) -> Answer:
        """The answer as it is stored; what its asker alone can mend about it is mended."""
        answer, runner = await self.stored.find(run.answer_id)
        if answer.status is AnswerStatus.QUEUED and run.errand is None:
            # Whoever accepted it may have died before the question was kept.
            await self.queueing.keep(run)
        elif answer.status is AnswerStatus.RUNNING and runner == self.runner:
            # Our hold was committed while the connection broke: nobody runs it yet.
            await self.queueing.adopt(run)
        return answer

    async def _balance(self, viewer: Viewer) -> Balance:
        found = await self.balances.balances(Reader(viewer.session_id), [viewer.purse])
        try:
            return found[viewer.purse]
        except KeyError:
            raise NotFound("account") from None


def _sent_by(viewer: Viewer, once: Once) -> Once:
    return once if viewer.api_key_id is None else once.by(viewer.api_key_number)


def _told(answer: Answer, balance: Balance, *, replayed: bool) -> Asked:
    """A failed answer is told as the problem it is."""
    if answer.status is AnswerStatus.FAILED:
        raise ProviderFailed(answer.failure or ProviderFailure.ERROR)
    return Asked(answer, balance, replayed)
