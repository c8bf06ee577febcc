"""The short way answers an event exactly as executing the operation does."""

from collections.abc import Mapping

import pytest
from graphql import ExecutionResult, Executor, parse
from strawberry.http import GraphQLRequestData

from app.graphql.operations import Operation
from app.graphql.plain import PlainEvents
from tests.app.toy import Leaf, Mood, Piece, Toy, ToyContext

QUERIES = [
    "subscription { pieces { offset text mood } }",
    "subscription { pieces { text offset __typename } }",
    "subscription { p: pieces { o: offset t: text t: text kind: __typename } }",
    "subscription { pieces { offset leaf { name } note } }",
    "subscription { pieces { ...F ... on Piece { text } } } fragment F on Piece { mood text }",
    "subscription($o: Boolean = false) { pieces { text @include(if: $o) offset @skip(if: $o) } }",
    "subscription($n: Int!) { pieces(count: $n) { text leaf { __typename name } } }",
]
LONG_WAYS = [
    "subscription { ticks(count: 3) }",
    "subscription { pieces { shouted } }",
    "subscription { pieces { text shouted } }",
]


def executor_of(toy: Toy, query: str) -> Executor[None]:
    found = Executor.build(
        toy.schema._schema,  # noqa: SLF001 - there is no public way
        parse(query),
        raw_variable_values={"n": 3},
        context_value=ToyContext(None),
    )
    assert not isinstance(found, list)
    return found


async def bodies_of(toy: Toy, query: str) -> list[Mapping[str, object]]:
    asked = GraphQLRequestData(
        query=query, variables={"n": 3}, operation_name=None, extensions=None
    )
    operation = Operation.of(toy.schema, asked, ToyContext(None))
    return [{**body} async for body in operation.results()]


async def executed(toy: Toy, query: str) -> list[Mapping[str, object]]:
    results = await toy.schema.subscribe(
        query, variable_values={"n": 3}, context_value=ToyContext(None)
    )
    return [{"data": result.data} async for result in results]


@pytest.mark.parametrize("query", [*QUERIES, *LONG_WAYS])
async def test_what_is_delivered_is_what_the_operation_says(toy: Toy, query: str) -> None:
    delivered = await bodies_of(toy, query)

    assert delivered == await executed(toy, query)
    assert [list(body) for body in delivered] == [["data"]] * 3


@pytest.mark.parametrize("query", QUERIES)
def test_names_keep_the_order_of_the_selection(toy: Toy, query: str) -> None:
    executor = executor_of(toy, query)
    plain = PlainEvents.of(executor)
    assert plain is not None
    piece = Piece(offset=1, text="text", mood=Mood.GLAD, leaf=None)

    result = executor.build_per_event_executor(piece).execute_operation(False)  # noqa: FBT003 - as graphql-core has it

    assert isinstance(result, ExecutionResult)
    assert str(plain.data(piece)) == str(result.data)


@pytest.mark.parametrize("query", LONG_WAYS)
def test_whatever_is_more_than_an_attribute_is_executed(toy: Toy, query: str) -> None:
    assert PlainEvents.of(executor_of(toy, query)) is None


def test_an_event_with_more_to_show_is_executed(toy: Toy) -> None:
    plain = PlainEvents.of(executor_of(toy, QUERIES[3]))
    assert plain is not None

    assert plain.data(Piece(offset=1, text="", mood=Mood.CALM, leaf=Leaf(name="the end"))) is None
    assert plain.data(Leaf(name="another kind")) is None
