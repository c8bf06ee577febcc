"""What /graphiql is made of."""

import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from graphql import OperationDefinitionNode, build_schema, parse, validate

from app.graphiql import ASSETS
from app.graphql.limits import Limits
from app.graphql.outline import outline
from tests.app.client import Client, client_of
from tests.app.demo import Demo

CONTRACT = Path(__file__).parents[2] / "schema" / "api.graphql"
OWN_FILES = [path for path in ASSETS.rglob("*") if path.is_file() and "vendor" not in path.parts]


@pytest.fixture
async def demo() -> AsyncIterator[Client]:
    async with client_of(Demo().app()) as client:
        yield client


async def test_the_page_may_load_and_reach_its_own_origin_only(demo: Client) -> None:
    response = await demo.http.get("/graphiql")

    policy = response.headers["content-security-policy"]
    assert response.status_code == 200
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "frame-ancestors 'none'" in policy
    assert "http" not in policy


async def test_everything_the_page_names_is_there(demo: Client) -> None:
    page = (await demo.http.get("/graphiql")).text
    names = re.findall(r'(?:src|href)="([^"]+)"', page)

    responses = [await demo.http.get(name) for name in names]

    assert len(names) == 10
    assert [response.status_code for response in responses] == [200] * len(names)
    assert {response.headers["cache-control"] for response in responses} == {"no-cache"}


async def test_a_file_that_has_not_changed_is_not_sent_again(demo: Client) -> None:
    url = "/static/graphiql/vendor/react.js"
    etag = (await demo.http.get(url)).headers["etag"]

    response = await demo.http.get(url, headers={"if-none-match": etag})

    assert (response.status_code, response.content) == (304, b"")


@pytest.mark.parametrize("path", ["../refresh-graphiql", "..%2frefresh-graphiql", "../../cli.py"])
async def test_nothing_beside_the_page_is_served(demo: Client, path: str) -> None:
    response = await demo.http.get(f"/static/graphiql/{path}")

    assert response.status_code == 404


async def test_the_contract_is_published(demo: Client) -> None:
    response = await demo.http.get("/schema.graphql")

    assert response.status_code == 200
    assert "type Query" in response.text


def test_vendored_files_are_as_they_were_published() -> None:
    vendor = ASSETS / "vendor"
    listed = [line.split(maxsplit=1) for line in (vendor / "SHA256SUMS").read_text().splitlines()]

    for digest, name in listed:
        assert hashlib.sha256((vendor / name).read_bytes()).hexdigest() == digest, name
    found = {path.relative_to(vendor) for path in vendor.rglob("*") if path.is_file()}
    assert {Path(name) for _, name in listed} | {Path("SHA256SUMS")} == found


@pytest.mark.parametrize("path", OWN_FILES, ids=lambda path: path.name)
def test_the_page_itself_names_no_foreign_place(path: Path) -> None:
    named = re.findall(r"\b(?:https?:)?//[\w.-]+\.\w+", path.read_text())

    assert [name for name in named if name != "http://www.w3.org"] == []


@pytest.mark.skipif(not CONTRACT.exists(), reason="make contract prints schema/api.graphql")
@pytest.mark.parametrize("path", sorted(ASSETS.glob("examples/*.graphql")), ids=lambda p: p.stem)
def test_every_example_is_valid_and_cheap_in_the_contract(path: Path) -> None:
    schema, document = build_schema(CONTRACT.read_text()), parse(path.read_text())
    (operation,) = document.definitions
    assert isinstance(operation, OperationDefinitionNode)

    assert validate(schema, document) == []
    assert outline(schema, document, operation, Limits().prices).points <= 300
