"""Requests that are beyond their caller as a whole, and those that are only in part."""

from enum import Enum

import pytest
import strawberry
from graphql import OperationType

from app.graphql.gate import Requirement
from app.graphql.schema import ServedSchema
from tests.app.client import JSON, NEWER, Client
from tests.app.toy import PEOPLE, Toy, ToyRole


class Access(Enum):
    """As a schema may spell it."""

    USER = "USER"
    ADMIN = "ADMIN"


class Scope(Enum):
    """As a schema may spell it."""

    READ = "READ"


class EnumUser(ToyRole):
    """Needs a user."""

    requires = Access.USER
    scope = Scope.READ


class EnumAdmin(ToyRole):
    """Needs an administrator."""

    requires = Access.ADMIN


@strawberry.type
class EnumQuery:
    """Guarded by classes that use enums."""

    mine: str = strawberry.field(default="mine", permission_classes=[EnumUser])
    theirs: str = strawberry.field(default="theirs", permission_classes=[EnumAdmin])


@pytest.mark.parametrize("accept", [JSON, NEWER])
@pytest.mark.parametrize(
    ("query", "by", "status", "code"),
    [
        ("{ mine }", None, 401, "UNAUTHENTICATED"),
        ("{ mine theirs }", None, 401, "UNAUTHENTICATED"),
        ("{ __typename mine }", None, 401, "UNAUTHENTICATED"),
        ("{ ...F } fragment F on Query { mine }", None, 401, "UNAUTHENTICATED"),
        ("{ theirs }", None, 401, "UNAUTHENTICATED"),
        ("{ theirs }", "user", 403, "FORBIDDEN"),
        ("{ theirs }", "reading-key", 403, "FORBIDDEN"),
        ("mutation { rule }", None, 401, "UNAUTHENTICATED"),
        ("mutation { rule }", "user", 403, "FORBIDDEN"),
    ],
)
async def test_a_request_beyond_its_caller_is_refused_whole(
    client: Client, toy: Toy, query: str, by: str | None, status: int, code: str, accept: str
) -> None:
    who = {"authorization": f"Bearer {by}"} if by else {}

    reply = await client.post({"query": query}, accept=accept, **who)

    assert (reply.status, reply.codes) == (status, [code])
    assert "data" not in reply.body
    assert reply.headers.get("www-authenticate") == ("Bearer" if status == 401 else None)
    assert toy.done == []


@pytest.mark.parametrize(
    ("query", "by", "data"),
    [
        ("{ hello mine }", None, {"hello": "hello world", "mine": None}),
        ("{ mine theirs }", "user", {"mine": "mine", "theirs": None}),
        ("mutation { change rule }", "user", {"change": "", "rule": None}),
    ],
)
async def test_a_request_that_is_beyond_its_caller_in_part_is_answered_in_part(
    client: Client, query: str, by: str | None, data: dict[str, object]
) -> None:
    reply = await client.ask(query, by=by)

    assert (reply.status, reply.body["data"], len(reply.codes)) == (200, data, 1)


async def test_an_unrestricted_request_needs_no_one(client: Client) -> None:
    assert (await client.ask("{ __typename }")).body == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize("query", ["{ hello }", "{", "{ mine }"])
async def test_a_bad_token_is_refused_before_the_document_is_read(
    client: Client, query: str
) -> None:
    reply = await client.ask(query, by="nobody")

    assert (reply.status, reply.codes) == (401, ["UNAUTHENTICATED"])
    assert reply.headers["www-authenticate"] == 'Bearer error="invalid_token"'


@pytest.mark.parametrize(
    ("by", "status", "code", "retry_after"),
    [("busy", 429, "RATE_LIMITED", "3"), ("early", 503, "UNAVAILABLE", None)],
)
async def test_a_caller_that_is_turned_away_at_the_door_is_told_why(
    client: Client, by: str, status: int, code: str, retry_after: str | None
) -> None:
    reply = await client.ask("{ hello }", by=by)

    assert (reply.status, reply.codes) == (status, [code])
    assert reply.headers.get("retry-after") == retry_after


def test_a_requirement_is_read_from_words_and_from_enums() -> None:
    fields = Toy().schema.documents.required[OperationType.QUERY]
    enums = ServedSchema(EnumQuery).documents.required[OperationType.QUERY]

    assert fields["mine"] == enums["mine"] == Requirement("USER", "READ")
    assert fields["theirs"] == enums["theirs"] == Requirement("ADMIN")
    assert fields["hello"] == Requirement("PUBLIC")


@pytest.mark.parametrize(
    ("requirement", "allowed"),
    [
        (Requirement("PUBLIC"), {None, "user", "admin", "reading-key", "admins-key"}),
        (Requirement("USER"), {"user", "admin"}),
        (Requirement("USER", "READ"), {"user", "admin", "reading-key", "admins-key"}),
        (Requirement("USER", "ASK"), {"user", "admin", "admins-key"}),
        (Requirement("ADMIN"), {"admin"}),
    ],
)
def test_each_requirement_is_met_by_the_right_people(
    requirement: Requirement, allowed: set[str | None]
) -> None:
    met = {name for name in (None, *PEOPLE) if requirement.refusal(PEOPLE.get(name or "")) is None}

    assert met == allowed
