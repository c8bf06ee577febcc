"""What streams read, kept in memory."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from domain.balance_changes import BalanceChanges
from domain.errors import Problem
from domain.following import Following
from domain.payment_changes import PaymentChanges
from domain.streaming import Transcript
from domain.units import AnswerId, PaymentId, PurseId
from domain.watching import Watching
from tests.schema.books import FakeBooks


@dataclass(slots=True)
class FakeRuns:
    """Transcripts of answers, run here or elsewhere."""

    here: dict[AnswerId, Transcript] = field(default_factory=dict)
    elsewhere: dict[AnswerId, Transcript] = field(default_factory=dict)
    followed: list[AnswerId] = field(default_factory=list)

    def transcript(self, answer_id: AnswerId) -> Transcript | None:
        return self.here.get(answer_id)

    @contextmanager
    def mirrored(self, answer_id: AnswerId) -> Iterator[Transcript]:
        self.followed.append(answer_id)
        yield self.elsewhere[answer_id]
        self.followed.remove(answer_id)

    def stop(self, told: Callable[[], Problem]) -> None:
        raise told()


@dataclass(frozen=True, slots=True)
class FakeVersions:
    """When purses last changed."""

    books: FakeBooks

    async def versions(self, keys: Sequence[PurseId]) -> Sequence[int | None]:
        balances = self.books.kept_balances
        return [balances[key].changed_at if key in balances else None for key in keys]


@dataclass(frozen=True, slots=True)
class FakeRevisions:
    """How often payments changed."""

    books: FakeBooks

    async def versions(self, keys: Sequence[PaymentId]) -> Sequence[int | None]:
        kept = self.books.kept_payments
        return [kept[key].revision if key in kept else None for key in keys]


def payment_changes(books: FakeBooks) -> PaymentChanges:
    return PaymentChanges(
        books=books, watching=Watching(versions=FakeRevisions(books), look_seconds=0.01)
    )


def following(books: FakeBooks, runs: FakeRuns) -> Following:
    return Following(books=books, here=runs, elsewhere=runs)


def balance_changes(books: FakeBooks) -> BalanceChanges:
    return BalanceChanges(
        books=books, watching=Watching(versions=FakeVersions(books), look_seconds=0.01)
    )
