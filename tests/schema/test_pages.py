"""Pages continue where the last one ended."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.reporting import Page, PageRequest
from schema.pages import ANSWERS, AUDIT, ENTRIES, BadRequest, PageInfo, Read

BIGINT = 2**63 - 1


@given(st.tuples(st.integers(0, BIGINT), st.integers(0, BIGINT), st.integers(0, BIGINT)))
def test_a_cursor_leads_back_to_its_place(place: tuple[int, int, int]) -> None:
    cursor = ENTRIES.cursor(place)

    assert ENTRIES.request(20, cursor) == PageRequest(20, place)


def test_without_a_cursor_a_page_begins_with_the_newest() -> None:
    assert ENTRIES.request(1, None) == PageRequest(1, None)
    assert ENTRIES.request(100, "") == PageRequest(100, None)


@pytest.mark.parametrize("first", [0, -1, 101, 2**31 - 1])
def test_a_page_has_one_to_a_hundred_items(first: int) -> None:
    with pytest.raises(BadRequest, match="1 to 100"):
        ENTRIES.request(first, None)


@pytest.mark.parametrize(
    "cursor",
    [
        ANSWERS.cursor((1, 2, 3)),
        AUDIT.cursor((1,)),
        ENTRIES.cursor((1, 2)),
        ENTRIES.cursor((1, 2, 3, 4)),
        ENTRIES.cursor((1, 2, -3)),
        ENTRIES.cursor((1, 2, 3)) + "=",
        ENTRIES.cursor((1, 2, 3))[:-1],
        "ä",
        "\0",
        "1",
        "a" * 100_000,
    ],
)
def test_any_other_word_is_no_cursor_of_this_list(cursor: str) -> None:
    with pytest.raises(BadRequest, match="cursor"):
        ENTRIES.request(20, cursor)


@given(st.text(max_size=60))
def test_reading_a_cursor_never_fails_otherwise(cursor: str) -> None:
    try:
        ENTRIES.request(20, cursor)
    except BadRequest as refused:
        assert refused.extensions == {"code": "BAD_REQUEST"}  # noqa: PT017 - it may also be none


def test_a_page_says_where_it_sits() -> None:
    page = Page(["b", "a"], [(2, 1, 0), (1, 1, 0)], has_next=True)

    info = PageInfo.of(Read(page, PageRequest(2, (3, 1, 0)), ENTRIES))

    assert info.has_next_page
    assert info.has_previous_page
    assert info.start_cursor == ENTRIES.cursor((2, 1, 0))
    assert info.end_cursor == ENTRIES.cursor((1, 1, 0))


def test_an_empty_page_has_no_cursors() -> None:
    nothing: list[str] = []

    info = PageInfo.of(Read(Page(nothing, [], has_next=False), PageRequest(20, None), ENTRIES))

    assert info.start_cursor is None
    assert info.end_cursor is None
    assert not info.has_next_page
    assert not info.has_previous_page
