"""A small deployment in memory: three people, two models, and the schema that shows them."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import strawberry
from graphql import GraphQLError

from domain.allowing import Allowance, IdentityTries, Rate
from domain.answers import Answer, AnswerStatus, FinishReason, UsageOutcome, UsageRecord
from domain.identity import Account, AccountStatus, Role, Scope, Viewer
from domain.key_keeping import KeyKeeping
from domain.ledger import Balance, Entry, EntryKind, Hold, HoldStatus, Lot
from domain.offering import Offer, SignInMethod
from domain.outside_identity import GoogleSigningIn
from domain.passwords import SettingPassword
from domain.pricing import Model, Price
from domain.recharging import Recharging
from domain.refreshing import Refreshing
from domain.signing_in import SigningIn
from domain.summarizing import Summarizing
from domain.suspending import Suspending
from domain.units import (
    OWN_CREDITS,
    AccountId,
    AnswerId,
    EntryId,
    HoldId,
    KeyNumber,
    LotId,
    Microcredits,
    ModelId,
    Moment,
    PriceId,
    PurseId,
    UsageId,
)
from resolvers.context import Context, Services
from schema import root
from tests.domain.entrance import (
    FakeDoors,
    FakeHashing,
    FakeStatusOffice,
    FakeTokens,
    FakeWatch,
)
from tests.outsiders import NoOutsiders
from tests.schema.alerting import FakeAlertBooks
from tests.schema.books import FakeBooks
from tests.schema.keyring import FakeKeyRing
from tests.schema.measuring import FakeMeasures
from tests.schema.office import MOMENT, NOON, FakeAsking, FakeCallers, FakeOffice
from tests.schema.selling import FakeSelling
from tests.schema.streams import FakeRuns, balance_changes, following, payment_changes

CREDIT = 1_000_000
SCHEMA = root.build(strawberry.Schema)


def viewer_of(number: int, role: Role = Role.USER) -> Viewer:
    return Viewer(account_id=AccountId(number), session_id=UUID(int=number), role=role)


ADA = viewer_of(1)
BOB = viewer_of(2)
EVE = viewer_of(3, Role.ADMIN)
ADAS_READING_KEY = replace(ADA, api_key_number=KeyNumber(1), scopes=frozenset({Scope.READ}))
ADAS_ASKING_KEY = replace(ADA, api_key_number=KeyNumber(2), scopes=frozenset({Scope.ASK}))
EVES_KEY = replace(EVE, api_key_number=KeyNumber(1))


OFFER = Offer(
    version="1.2.3",
    demo_mode=True,
    sign_up_credits=Microcredits(CREDIT),
    sign_up_open=True,
    email_confirmation=False,
    sign_in_methods=(SignInMethod.PASSWORD, SignInMethod.MAGIC_LINK),
)


class Noon:
    """A clock that has stopped."""

    def now(self) -> datetime:
        return NOON


@dataclass(slots=True)
class Points:
    """Ten thousand points for everybody, and who took how many."""

    taken: list[tuple[str, int]] = field(default_factory=list)

    async def take(self, who: str, amount: int = 1) -> Allowance:
        self.taken.append((who, amount))
        rate = Rate(10_000, timedelta(minutes=1))
        return rate.take(amount, empty_at=datetime(1970, 1, 1, tzinfo=UTC), now=NOON)


@dataclass(frozen=True, slots=True)
class Told:
    """What a caller gets back."""

    data: Mapping[str, object] | None
    errors: list[GraphQLError]

    @property
    def codes(self) -> list[str]:
        """Of each error, as the transport would find it."""
        return [
            str(getattr(e.original_error, "code", None) or (e.extensions or {}).get("code"))
            for e in self.errors
        ]


@dataclass(slots=True)
class Shop:
    """Everything a request needs, and the request."""

    books: FakeBooks = field(default_factory=FakeBooks)
    points: Points = field(default_factory=Points)
    making: Points = field(default_factory=Points)
    callers: FakeCallers = field(default_factory=lambda: FakeCallers({}))
    asking: FakeAsking = field(init=False)
    office: FakeOffice = field(init=False)
    ring: FakeKeyRing = field(init=False)
    doors: FakeDoors = field(init=False)
    selling: FakeSelling = field(init=False)
    runs: FakeRuns = field(default_factory=FakeRuns)
    alerts: FakeAlertBooks = field(init=False)
    measures: FakeMeasures = field(default_factory=FakeMeasures)

    def __post_init__(self) -> None:
        self.asking = FakeAsking(self.books)
        self.office = FakeOffice(self.books)
        self.alerts = FakeAlertBooks(self.books)
        self.selling = FakeSelling(self.books)
        self.ring = FakeKeyRing(self.books)
        open_account(self.books, ADA, email="ada@example.test")
        open_account(self.books, BOB, email="bob@example.test")
        open_account(self.books, EVE, email="eve@example.test")
        self.doors = FakeDoors(Noon(), self._opened, first_number=len(self.books.kept_accounts) + 1)
        for model in (SMALL, RETIRED):
            self.books.kept_models[model.id] = model
            self.books.kept_prices[model.price.id] = model.price

    def context(self, viewer: Viewer | None) -> Context:
        services = Services(
            offer=OFFER,
            books=self.books,
            summarizing=Summarizing(self.books, Noon()),
            measures=self.measures,
            asking=self.asking,
            canceling=self.asking,
            following=following(self.books, self.runs),
            balance_changes=balance_changes(self.books),
            payment_changes=payment_changes(self.books),
            recharging=Recharging(office=self.office, clock=Noon()),
            keys=KeyKeeping(ring=self.ring, making=self.making, clock=Noon()),
            sessions=self._signing_in(),
            google=GoogleSigningIn(
                id_tokens=None,
                accounts=NoOutsiders(),
                signing_in=self._signing_in(),
                tries=self._tries(),
            ),
            refreshing=Refreshing(
                books=self.doors,
                tokens=self._tokens(),
                key=b"a key",
                lasts=timedelta(days=30),
            ),
            passwords=SettingPassword(
                offer=OFFER, books=self.doors, hashing=FakeHashing(), tries=self._tries()
            ),
            suspending=Suspending(
                FakeStatusOffice(lambda session_id: self.books.sessions[session_id], self._change)
            ),
            paying=self.selling,
            attending=self.alerts.attending(),
            callers=self.callers,
            points=self.points,
        )
        return Context(viewer=viewer, services=services, request_id="r-1", address="192.0.2.1")

    def _signing_in(self) -> SigningIn:
        return SigningIn(
            offer=OFFER,
            accounts=self.doors,
            doors=self.doors,
            hashing=FakeHashing(),
            mails=self.doors,
            tokens=self._tokens(),
            demo_sessions=Points(),
            tries=self._tries(),
            clock=Noon(),
            lasts=timedelta(days=30),
        )

    def _tokens(self) -> FakeTokens:
        def issued(text: str, account_id: AccountId, session_id: UUID) -> None:
            role = self.books.kept_accounts[account_id].role
            self.callers.people[text] = Viewer(
                account_id=account_id, session_id=session_id, role=role
            )

        return FakeTokens(Noon(), issued)

    def _tries(self) -> IdentityTries:
        return IdentityTries(by_network=Points(), by_identity=Points(), watch=FakeWatch())

    def _opened(self, account_id: AccountId, email: str | None) -> UUID:
        viewer = viewer_of(account_id)
        if account_id not in self.books.kept_accounts:
            open_account(self.books, viewer, email=email)
        return viewer.session_id

    def _change(self, account_id: AccountId, status: AccountStatus, reason: str | None) -> bool:
        account = self.books.kept_accounts.get(account_id)
        if account is None:
            return False
        self.books.kept_accounts[account_id] = replace(
            account, status=status, suspension_reason=reason
        )
        return True

    async def tell(self, query: str, by: Viewer | None = ADA, **variables: object) -> Told:
        result = await SCHEMA.execute(
            query, variable_values=variables, context_value=self.context(by)
        )
        return Told(result.data, result.errors or [])

    async def stream(
        self, query: str, by: Viewer | None = ADA, **variables: object
    ) -> AsyncGenerator[Told, None]:
        """What a subscription tells, piece by piece."""
        results = await SCHEMA.subscribe(
            query, variable_values=variables, context_value=self.context(by)
        )
        async with aclosing(results):
            async for result in results:
                yield Told(result.data, result.errors or [])

    async def ask(self, query: str, by: Viewer | None = ADA, **variables: object) -> object:
        """The data of an answer that must have no errors."""
        told = await self.tell(query, by, **variables)
        assert told.errors == []
        return told.data


def price_of(number: int, *, input_per_1k: int) -> Price:
    return Price(
        id=PriceId(number),
        input_per_1k=Microcredits(input_per_1k),
        cached_input_per_1k=Microcredits(0),
        output_per_1k=Microcredits(2 * input_per_1k),
        per_request=Microcredits(0),
        effective_from=NOON,
    )


SMALL = Model(
    id=ModelId("small"),
    name="Small",
    vendor="Ours",
    upstream_name="secret-upstream-name",
    context_window=8_192,
    answer_tokens_max=1_000,
    is_default=True,
    price=price_of(1, input_per_1k=300_000),
)
RETIRED = replace(
    SMALL,
    id=ModelId("retired"),
    is_default=False,
    enabled=False,
    price=price_of(2, input_per_1k=100_000),
)


def open_account(books: FakeBooks, viewer: Viewer, *, email: str | None) -> None:
    """An account with ten credits."""
    purse = viewer.purse
    books.sessions[viewer.session_id] = viewer.account_id
    books.kept_accounts[viewer.account_id] = Account(
        id=viewer.account_id,
        email=email,
        email_confirmed=email is not None,
        display_name=None,
        role=viewer.role,
        status=AccountStatus.ACTIVE,
        suspension_reason=None,
        created_at=NOON,
    )
    entry_id = EntryId(purse, MOMENT)
    ten = Microcredits(10 * CREDIT)
    books.kept_entries[entry_id] = Entry(
        id=entry_id,
        kind=EntryKind.SIGN_UP_GRANT,
        amount=ten,
        total_after=ten,
        answer_id=None,
        reverses=None,
        reason=None,
        actor_id=None,
    )
    books.kept_balances[purse] = Balance(purse, ten, Microcredits(0), Microcredits(0), MOMENT)
    books.kept_lots[purse] = [
        Lot(id=LotId(purse, MOMENT), entry_id=entry_id, amount=ten, remaining=ten, expires_at=None)
    ]


def answer_questions(books: FakeBooks, viewer: Viewer, count: int) -> list[AnswerId]:
    """Answers with all that belongs to them: hold, charge and usage record, a second apart."""
    return [_answer_question(books, viewer.purse, number) for number in range(1, count + 1)]


def _answer_question(books: FakeBooks, purse: PurseId, number: int) -> AnswerId:
    began = Moment(MOMENT + number * 1_000_000)
    answer_id, charge_id = AnswerId(purse, began), EntryId(purse, Moment(began + 10))
    usage_id = UsageId(purse, Moment(began + 11))
    charged = Microcredits(1)
    books.kept_answers[answer_id] = Answer(
        id=answer_id,
        status=AnswerStatus.SUCCEEDED,
        model_id=(SMALL if number % 2 else RETIRED).id,
        api_key_number=OWN_CREDITS,
        text=f"answer {number}",
        finish_reason=FinishReason.STOP,
        failure=None,
        charged=charged,
        held=Microcredits(0),
        usage_ids=(usage_id,),
        finished_at=NOON,
    )
    books.kept_holds[answer_id.hold_id] = Hold(
        id=HoldId(purse, began),
        status=HoldStatus.CAPTURED,
        amount=Microcredits(5),
        captured=charged,
        api_key_number=OWN_CREDITS,
        expires_at=NOON,
        ended_at=NOON,
    )
    books.kept_entries[charge_id] = Entry(
        id=charge_id,
        kind=EntryKind.CHARGE,
        amount=Microcredits(-charged),
        total_after=Microcredits(10 * CREDIT - number),
        answer_id=answer_id,
        reverses=None,
        reason=None,
        actor_id=None,
    )
    books.kept_records[usage_id] = UsageRecord(
        id=usage_id,
        answer_id=answer_id,
        attempt=1,
        outcome=UsageOutcome.SUCCEEDED,
        model_id=(SMALL if number % 2 else RETIRED).id,
        price_id=(SMALL if number % 2 else RETIRED).price.id,
        api_key_number=OWN_CREDITS,
        input_tokens=2**40,
        cached_input_tokens=0,
        output_tokens=7,
        is_estimated=False,
        charged=charged,
        latency_ms=120,
        first_token_ms=30,
        problem_code=None,
        provider_cost=42,
    )
    return answer_id
