"""On whose behalf a request reads, and who pays for it in points."""

from dataclasses import replace

import pytest

from domain.errors import Forbidden, Unauthenticated
from domain.identity import Viewer
from domain.reporting import Reader
from tests.schema.shop import ADA, ADAS_READING_KEY, BOB, EVE, EVES_KEY, Shop


def test_a_visitor_reads_nothing() -> None:
    context = Shop().context(None)

    with pytest.raises(Unauthenticated):
        context.reader()
    with pytest.raises(Unauthenticated):
        context.admin_reader()


@pytest.mark.parametrize("viewer", [ADA, ADAS_READING_KEY, EVES_KEY])
def test_users_and_keys_read_as_themselves(viewer: Viewer) -> None:
    context = Shop().context(viewer)

    assert context.reader() == Reader(
        viewer.session_id,
        api_key=viewer.api_key_id,
        has_own_credits=viewer.purse_key_number > 0,
    )
    with pytest.raises(Forbidden):
        context.admin_reader()


def test_an_administrators_session_reads_everything() -> None:
    context = Shop().context(EVE)

    assert context.reader() == context.admin_reader() == Reader(EVE.session_id, as_admin=True)


def test_somebody_signed_in_on_the_way_is_seen_as_itself() -> None:
    context = Shop().context(ADA)

    assert context.as_seen_by(BOB).reader() == Reader(BOB.session_id)
    assert context.reader() == Reader(ADA.session_id)


@pytest.mark.parametrize(
    ("viewer", "principal"),
    [
        (None, "address 192.0.2.1"),
        (ADA, "account 1, key 0"),
        (replace(ADA, session_id=BOB.session_id), "account 1, key 0"),
        (ADAS_READING_KEY, "account 1, key 1"),
    ],
)
async def test_points_are_counted_by_account_key_or_address(
    viewer: Viewer | None, principal: str
) -> None:
    shop = Shop()
    context = shop.context(viewer)

    await context.admit(points=7)

    assert shop.points.taken == [(principal, 7)]
    assert context.allowance is not None
    assert context.allowance.cost == 7
