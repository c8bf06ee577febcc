"""The administrators' side of the database and the asking service, working on books in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID

from domain.answers import Answer, AnswerStatus, FinishReason
from domain.asking import Asked
from domain.canceling import Canceled
from domain.errors import (
    Forbidden,
    IdempotencyKeyReused,
    InputIssue,
    InsufficientCredits,
    InvalidInput,
    NotFound,
    StateConflict,
    TallystickError,
)
from domain.identity import Viewer
from domain.ledger import Balance, Entry, EntryKind, Once, Posted
from domain.pricing import Model, Price, Rates
from domain.questions import Question, check
from domain.recharging import ModelChange
from domain.reporting import AuditEntry
from domain.units import (
    OWN_CREDITS,
    AccountId,
    AnswerId,
    EntryId,
    Microcredits,
    ModelId,
    Moment,
    PriceId,
    PurseId,
)
from tests.schema.books import FakeBooks

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
MOMENT = Moment(1_769_860_800_000_000)


@dataclass(slots=True)
class FakeOffice:
    """Posts to the books it is given, once for each key, and keeps the audit log."""

    books: FakeBooks
    done: dict[tuple[AccountId, str, bytes], tuple[bytes, EntryId]] = field(default_factory=dict)

    async def recharge(
        self,
        session_id: UUID,
        account_id: AccountId,
        amount: Microcredits,
        *,
        expires_at: datetime | None,
        reason: str,
        once: Once,
    ) -> Posted:
        return self._post(session_id, account_id, EntryKind.RECHARGE, amount, reason, once)

    async def adjust(
        self,
        session_id: UUID,
        account_id: AccountId,
        amount: Microcredits,
        *,
        reason: str,
        once: Once,
    ) -> Posted:
        return self._post(session_id, account_id, EntryKind.ADJUSTMENT, amount, reason, once)

    async def refund(
        self,
        session_id: UUID,
        charge: EntryId,
        amount: Microcredits | None,
        *,
        reason: str,
        once: Once,
    ) -> Posted:
        entry = self.books.kept_entries.get(charge)
        if entry is None or entry.kind is not EntryKind.CHARGE:
            raise NotFound("charge")
        if amount is not None and amount > -entry.amount:
            raise StateConflict("Less than that is left to give back.")
        whole = Microcredits(-entry.amount)
        return self._post(
            session_id,
            charge.purse.account_id,
            EntryKind.REFUND,
            whole if amount is None else amount,
            reason,
            once,
        )

    async def save_model(self, session_id: UUID, change: ModelChange, *, summary: str) -> None:
        actor_id = self._admin(session_id)
        model = self.books.kept_models.get(change.id)
        if model is None:
            model = self._new_model(change)
        name, enabled = change.name, change.is_enabled
        self.books.kept_models[change.id] = replace(
            model,
            name=model.name if name is None else name,
            enabled=model.enabled if enabled is None else enabled,
        )
        self._audit(actor_id, "saveModel", change.id, summary)

    async def set_price(
        self, session_id: UUID, model_id: ModelId, rates: Rates, *, summary: str
    ) -> None:
        actor_id = self._admin(session_id)
        model = self.books.kept_models.get(model_id)
        if model is None:
            raise NotFound("model")
        self.books.kept_models[model_id] = replace(model, price=self._new_price(rates))
        self._audit(actor_id, "setModelPrice", model_id, summary)

    def _new_model(self, change: ModelChange) -> Model:
        if change.name is None or change.rates is None:
            raise InvalidInput([InputIssue(("price",), "A new model needs it.")])
        return Model(
            id=change.id,
            name=change.name,
            vendor=change.vendor or "",
            upstream_name=change.upstream_name or "",
            context_window=change.context_window or 1,
            answer_tokens_max=change.answer_tokens_max or 1,
            price=self._new_price(change.rates),
        )

    def _new_price(self, rates: Rates) -> Price:
        price = Price(
            id=PriceId(len(self.books.kept_prices) + 1),
            input_per_1k=rates.input_per_1k,
            cached_input_per_1k=rates.cached_input_per_1k,
            output_per_1k=rates.output_per_1k,
            per_request=rates.per_request,
            effective_from=NOON,
        )
        self.books.kept_prices[price.id] = price
        return price

    def _post(
        self,
        session_id: UUID,
        account_id: AccountId,
        kind: EntryKind,
        amount: Microcredits,
        reason: str,
        once: Once,
    ) -> Posted:
        actor_id = self._admin(session_id)
        purse = PurseId(account_id)
        balance = self.books.kept_balances.get(purse)
        if balance is None:
            raise NotFound("account")
        key = (account_id, once.operation, once.key)
        if key in self.done:
            digest, entry_id = self.done[key]
            if digest != once.digest:
                raise IdempotencyKeyReused
            return Posted(entry_id, balance, replayed=True)
        if balance.available + amount < 0:
            raise InsufficientCredits(required=Microcredits(-amount), available=balance.available)
        entry_id = EntryId(purse, Moment(balance.changed_at + 1))
        total = Microcredits(balance.total + amount)
        balance = balance._replace(total=total, changed_at=entry_id.moment)
        self.books.kept_balances[purse] = balance
        self.books.kept_entries[entry_id] = Entry(
            id=entry_id,
            kind=kind,
            amount=amount,
            total_after=total,
            answer_id=None,
            reverses=None,
            reason=reason,
            actor_id=actor_id,
        )
        self.done[key] = (once.digest, entry_id)
        self._audit(actor_id, once.operation, str(account_id), reason)
        return Posted(entry_id, balance, replayed=False)

    def _admin(self, session_id: UUID) -> AccountId:
        account_id = self.books.sessions[session_id]
        if self.books.kept_accounts[account_id].role != "ADMIN":
            raise Forbidden
        return account_id

    def _audit(self, actor_id: AccountId, action: str, target_id: str, summary: str) -> None:
        number = len(self.books.audit) + 1
        self.books.audit.append(
            AuditEntry(
                id=number,
                at=NOON,
                actor_id=actor_id,
                action=action,
                target_id=target_id,
                summary=summary,
            )
        )


@dataclass(slots=True)
class FakeAsking:
    """Answers every question with its own last words, for one credit, unless told to fail."""

    books: FakeBooks
    fails_with: TallystickError | None = None
    asked: list[tuple[Question, str, float]] = field(default_factory=list)

    async def ask(self, viewer: Viewer, question: Question, key: str, wait_seconds: float) -> Asked:
        check(question)
        if self.fails_with is not None:
            raise self.fails_with
        self.asked.append((question, key, wait_seconds))
        balance = self.books.kept_balances[viewer.purse]
        moment = Moment(balance.changed_at + 1)
        answer = Answer(
            id=AnswerId(viewer.purse, moment),
            status=AnswerStatus.SUCCEEDED,
            model_id=question.model or ModelId("small"),
            api_key_number=OWN_CREDITS,
            text=question.messages[-1].content,
            finish_reason=FinishReason.STOP,
            failure=None,
            charged=Microcredits(1_000_000),
            held=Microcredits(0),
            usage_ids=(),
            finished_at=NOON,
        )
        left = Balance(
            viewer.purse,
            Microcredits(balance.total - answer.charged),
            balance.held,
            balance.owed,
            moment,
        )
        self.books.kept_balances[viewer.purse] = left
        self.books.kept_answers[answer.id] = answer
        return Asked(answer, left, replayed=False)

    async def cancel(self, viewer: Viewer, answer_id: AnswerId) -> Canceled:
        answer = self.books.kept_answers.get(answer_id)
        if answer is None or answer.id.purse != viewer.purse:
            raise NotFound("answer")
        if answer.status.is_final:
            raise StateConflict("The answer had already finished.")
        canceled = replace(answer, status=AnswerStatus.CANCELED, held=Microcredits(0))
        self.books.kept_answers[answer_id] = canceled
        return Canceled(canceled, self.books.kept_balances[viewer.purse])


@dataclass(slots=True)
class FakeCallers:
    """Believes every token that is the name of somebody known."""

    people: dict[str, Viewer]

    async def viewer(self, authorization: Sequence[str]) -> Viewer | None:
        return self.people.get(authorization[0].removeprefix("Bearer "))
