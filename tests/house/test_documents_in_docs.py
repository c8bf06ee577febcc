"""Every GraphQL document that the docs print is one of the contract, and cheap."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from graphql import build_schema, parse, validate

from app.graphql.documents import Documents
from app.graphql.limits import Limits

ROOT = Path(__file__).parents[2]
SCHEMA = build_schema((ROOT / "schema" / "api.graphql").read_text(encoding="utf-8"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```graphql\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SENT = re.compile(r"-d '(\{\"query\".*?\})'$", re.MULTILINE)
IN_CODE = re.compile(r"= `(\s*(?:query|mutation|subscription) .*?)`;", re.DOTALL)
POINTS_MAX = 300


def printed() -> Iterator[tuple[str, str]]:
    """Each document, by its page and place."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        found = [*BLOCK.findall(text), *IN_CODE.findall(text)]
        found += [json.loads(body)["query"] for body in SENT.findall(text)]
        yield from ((f"{page.name}-{place}", found[place]) for place in range(len(found)))


PRINTED = dict(printed())
each_printed = pytest.mark.parametrize("document", PRINTED.values(), ids=PRINTED)


def test_every_way_to_print_a_document_is_found() -> None:
    assert {"README.md-0", "api.md-2", "api-keys.md-0", "sessions.md-1"} <= PRINTED.keys()


@each_printed
def test_a_document_in_the_docs_can_be_sent_as_printed(document: str) -> None:
    errors = validate(SCHEMA, parse(document))

    assert [error.message for error in errors] == []


@each_printed
def test_a_document_in_the_docs_is_within_the_limits(document: str) -> None:
    documents = Documents(SCHEMA, Limits())
    prepared = documents.prepare(document)

    for name, (_, outline) in prepared.outlines.items():
        assert documents.limits.excess(outline) is None
        assert documents.points(prepared, name, {}) <= POINTS_MAX
