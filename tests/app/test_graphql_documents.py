"""Documents that are read once."""

from app.graphql.documents import DOCUMENTS_KEPT_MAX, KEPT_CHARACTERS_MAX
from tests.app.toy import Toy


def test_a_document_is_read_once_however_often_it_is_sent() -> None:
    documents = Toy().schema.documents

    first = documents.prepare("query ($n: String!) { hello(name: $n) }")

    assert documents.prepare("query ($n: String!) { hello(name: $n) }") is first


def test_a_long_document_takes_no_place_among_those_that_are_kept() -> None:
    documents = Toy().schema.documents
    text = "{ hello }".ljust(KEPT_CHARACTERS_MAX + 1)

    first = documents.prepare(text)

    assert documents.prepare(text) is not first


def test_the_number_of_documents_that_are_kept_is_bounded() -> None:
    documents = Toy().schema.documents
    first = documents.prepare("{ hello }")

    for number in range(DOCUMENTS_KEPT_MAX):
        documents.prepare(f"{{ n{number}: hello }}")

    assert documents.prepare("{ hello }") is not first


def test_each_operation_of_a_document_is_measured_by_itself() -> None:
    documents = Toy().schema.documents

    prepared = documents.prepare("query A { hello } mutation B { change }")

    assert {name: documents.points(prepared, name, {}) for name in ("A", "B")} == {"A": 0, "B": 10}
