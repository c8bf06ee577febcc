"""What is too much for one request, and that finding out costs nothing."""

import time

import pytest

from tests.app.client import Client, client_of
from tests.app.toy import Toy

WISHING = "query ($wish: Wish!) { wish(wish: $wish) }"
TEN_POINTS = " ".join(f"n{n}: branch {{ leaf {{ name }} }}" for n in range(5))

NODES_OF_TEN_POINTS = f"{{ nodes {{ {TEN_POINTS} }} }}"


def doubling(fragments: int, end: str = "hello") -> str:
    """Fragments that spread the next one twice: 2^n times the end, if each is walked again."""
    chain = " ".join(
        f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(fragments)
    )
    return f"{{ ...F0 }} {chain} fragment F{fragments} on Query {{ {end} }}"


def side_by_side(fragments: int) -> str:
    """Fragments that all ask for the same, each of which is compared with each other."""
    spread = " ".join(f"...F{n}" for n in range(fragments))
    defined = " ".join(f"fragment F{n} on Query {{ branch {{ name }} }}" for n in range(fragments))
    return f"{{ {spread} }} {defined}"


def nested(depth: int) -> str:
    """A document whose deepest field is that many fields deep."""
    return "{" + "branch{" * (depth - 1) + "name" + "}" * (depth - 1) + "}"


@pytest.mark.parametrize("fragments", [20, 40, 150])
async def test_fragments_that_spread_each_other_twice_are_measured_once(
    client: Client, fragments: int
) -> None:
    begun = time.perf_counter()

    reply = await client.ask(doubling(fragments))

    assert time.perf_counter() - begun < 1
    assert (reply.status, reply.codes) == (400, ["TOO_EXPENSIVE"])
    assert f"Asks for {2**fragments} root fields" in reply.messages[0]


async def test_nested_fragments_count_at_every_spread(client: Client) -> None:
    query = (
        "{ branch { ...A ...A } }"
        "fragment A on Branch { one: leaf { name } ...B ...B }"
        "fragment B on Branch { two: leaf { name } ...C ...C ...C ...C ...C ...C ...C ...C }"
        "fragment C on Branch { three: leaf { name } }"
    )

    reply = await client.ask(query)

    assert reply.messages == ["Uses 38 aliases; 30 is the most."]


@pytest.mark.parametrize(
    "query",
    [
        "{ ...Nope }",
        "{ branch { ...Nope } }",
        "{ ...A } fragment A on Query { ...A }",
        "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }",
        "{ ... on Nope { x } }",
        "{ branch { ... on Query { hello } } }",
    ],
)
async def test_broken_fragments_are_an_error_of_the_document(client: Client, query: str) -> None:
    reply = await client.ask(query)

    assert (reply.status, set(reply.codes)) == (400, {"INVALID_DOCUMENT"})


@pytest.mark.parametrize(
    ("query", "excess"),
    [
        (nested(11), "Nests 11 fields deep; 10 is the most."),
        (nested(150), "Nests 150 fields deep; 10 is the most."),
        ("{" + " ".join(f"a{n}: hello" for n in range(31)) + "}", "Uses 31 aliases"),
        ("{" + "hello " * 21 + "}", "Asks for 21 root fields; 20 is the most."),
        ("mutation {" + " ".join(f"a{n}: change" for n in range(6)) + "}", "Makes 6 changes"),
        ("mutation { ...F ...F ...F } fragment F on Mutation { change rule }", "Makes 6 changes"),
        ("mutation { a: signIn b: signIn }", "Signs in or up 2 times at once"),
        ("mutation { signIn ...F } fragment F on Mutation { signIn }", "Signs in or up 2 times"),
        (f"{{ pages(first: 100) {{ nodes {{ {TEN_POINTS} }} }} }}", "Costs 1101 points"),
        (f"{{ pages(first: 9999999) {{ nodes {{ {TEN_POINTS} }} }} }}", "Costs 1101 points"),
        (
            f"{{ pages {{ nodes {{ pages(first: 5) {NODES_OF_TEN_POINTS} }} }} }}",
            "Costs 1141 points",
        ),
    ],
)
async def test_what_is_too_much_is_refused_with_how_much_is_not(
    client: Client, query: str, excess: str
) -> None:
    reply = await client.ask(query, by="admin")

    assert (reply.status, reply.codes) == (400, ["TOO_EXPENSIVE"])
    assert reply.messages[0].startswith(excess)


@pytest.mark.parametrize(
    "query",
    [
        nested(10),
        "{" + " ".join(f"a{n}: hello" for n in range(20)) + "}",
        "{" + "hello " * 20 + "}",
        "mutation {" + " ".join(f"a{n}: change" for n in range(5)) + "}",
        "mutation { signIn change }",
    ],
)
async def test_the_most_is_still_answered(client: Client, query: str) -> None:
    reply = await client.ask(query)

    assert (reply.status, reply.codes) == (200, [])


async def test_a_refused_mutation_has_changed_nothing(client: Client, toy: Toy) -> None:
    await client.ask("mutation {" + " ".join(f"a{n}: change" for n in range(6)) + "}")

    assert toy.done == []


@pytest.mark.parametrize(
    ("query", "variables", "points"),
    [
        ("{ points hello }", {}, 0),
        ("{ points branch { name } }", {}, 1),
        ("{ points branch { leaf { name } branch { name } } }", {}, 3),
        ("{ points pages { count } }", {}, 1),
        ("{ points pages { nodes { name } } }", {}, 21),
        ("{ points pages(first: 7) { count nodes { leaf { name } } } }", {}, 15),
        ("{ points pages(first: 0) { nodes { name } } }", {}, 2),
        ("{ points pages(first: 2) { nodes { pages(first: 3) { nodes { name } } } } }", {}, 11),
        ("{ points pages(first: 7) { ...F } } fragment F on Page { nodes { name } }", {}, 8),
        ("query ($n: Int!) { points pages(first: $n) { nodes { name } } }", {"n": 7}, 8),
        ("query ($n: Int = 9) { points pages(first: $n) { nodes { name } } }", {}, 10),
        ("query ($n: Int = 9) { points pages(first: $n) { nodes { name } } }", {"n": 4}, 5),
        ("query ($n: Int = 9) { points pages(first: $n) { nodes { name } } }", {"n": 50.0}, 101),
    ],
)
async def test_a_request_knows_what_it_costs(
    client: Client, query: str, variables: dict[str, object], points: int
) -> None:
    reply = await client.ask(query, variables=variables)

    data = reply.body["data"]
    assert isinstance(data, dict)
    assert data["points"] == points


async def test_a_change_costs_ten_points(toy: Toy) -> None:
    toy.allowance = 19
    async with client_of(toy.app()) as client:
        one = await client.ask("mutation { change }")
        two = await client.ask("mutation { change signIn }")

    assert (one.status, two.status) == (200, 429)


async def test_a_caller_without_allowance_is_told_when_to_come_back(toy: Toy) -> None:
    toy.allowance = 1
    async with client_of(toy.app()) as client:
        reply = await client.ask("{ pages { nodes { name } } }")

    assert (reply.status, reply.codes) == (429, ["RATE_LIMITED"])
    assert reply.headers["retry-after"] == "7"
    assert "data" not in reply.body


@pytest.mark.parametrize(
    "query",
    [
        "{ branch {" + " name" * 1_000 + "} }",
        "{" + " branch { leaf { name } }" * 200 + "}",
        side_by_side(150),
        "{ branch {" + " a: name a: shouted" * 200 + "} }",
    ],
)
async def test_a_document_that_is_long_to_check_is_not_checked_to_its_end(
    toy: Toy, query: str
) -> None:
    checked = toy.schema.documents.prepare(query)

    told = [(error.message, error.extensions) for error in checked.errors]

    assert told[-1] == (
        "Asks for the same fields or fragments too often. Ask for each of them once.",
        {"code": "TOO_EXPENSIVE"},
    )


@pytest.mark.parametrize(
    ("query", "cost"),
    [
        ("{" + " hello" * 18 + " points }", 1),
        ("{ nope" + " hello" * 97 + "}", 5),
        ("{" + " hello" * 998 + "}", 50),
        ("{" + " mine" * 18 + "}", 1),
        ("{ hello" * 300, 100),
        ("{ hello", 0),
    ],
)
async def test_reading_a_document_costs_a_point_for_every_twenty_words(
    toy: Toy, query: str, cost: int
) -> None:
    toy.allowance = cost
    async with client_of(toy.app()) as client:
        enough = await client.ask(query)
        toy.allowance = cost - 1
        too_little = await client.ask(query)

    assert enough.status != 429
    assert too_little.status == 429 or cost == 0


async def test_a_document_of_too_many_tokens_is_not_parsed_to_its_end(client: Client) -> None:
    begun = time.perf_counter()

    reply = await client.ask("{" + "x " * 15_000)

    assert time.perf_counter() - begun < 1
    assert (reply.status, reply.codes) == (400, ["TOO_EXPENSIVE"])


async def test_comments_count_as_tokens(client: Client) -> None:
    reply = await client.ask("#\n" * 2_001 + "{ hello }")

    assert reply.codes == ["TOO_EXPENSIVE"]


async def test_only_the_first_errors_of_a_document_are_told(client: Client) -> None:
    invalid = await client.ask("{" + " ".join(f"no{n}" for n in range(500)) + "}")
    many = ["x"] * 10_000
    coerced = await client.ask(
        WISHING,
        variables={"wish": {"text": "x", "many": many}},
    )

    assert len(invalid.codes) <= 6
    assert len(coerced.codes) == 5


@pytest.mark.parametrize(
    "query",
    [
        "{ __schema { types { name } } }",
        '{ __type(name: "Leaf") { name } }',
        "{ hello ...F } fragment F on Query { __schema { description } }",
    ],
)
@pytest.mark.parametrize("by", [None, "user", "reading-key", "admins-key"])
async def test_the_schema_is_told_to_administrators_only(
    client: Client, query: str, by: str | None
) -> None:
    asked = await client.ask(query, by=by)
    asked_as_admin = await client.ask(query, by="admin")

    assert (asked.status, asked.codes) == (403, ["FORBIDDEN"])
    assert (asked_as_admin.status, asked_as_admin.codes) == (200, [])


async def test_the_schema_can_be_opened_to_everybody(toy: Toy) -> None:
    toy.opens_introspection()
    async with client_of(toy.app()) as client:
        reply = await client.ask("{ __schema { types { name } } }")

    assert reply.status == 200


@pytest.mark.parametrize(
    "query",
    [
        "{ helo }",
        "{ branc { name } }",
        "{ hello(nam: 1) }",
        "{ branch { nam } }",
        "{ branch { ...on Leav { name } } }",
        "{ wish(wish: {tex: 1}) }",
    ],
)
async def test_a_typo_does_not_tell_what_else_there_is(client: Client, query: str) -> None:
    reply = await client.ask(query)

    assert reply.codes
    assert not any("Did you mean" in message for message in reply.messages)


async def test_a_typo_in_a_variable_does_not_tell_what_else_there_is(client: Client) -> None:
    reply = await client.ask(WISHING, variables={"wish": {"tex": "x"}})

    assert reply.codes
    assert not any("Did you mean" in message for message in reply.messages)
