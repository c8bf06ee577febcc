"""Sessions that are begun."""

import pytest

from tests.schema.shop import ADA, Shop

DEMO = """mutation { startDemoSession {
    __typename
    ... on SessionStarted {
      session { accessToken accessTokenExpiresAt refreshTokenExpiresAt }
      account { id email role balance { available lots { entry { kind } } } } }
    ... on Problem { code } } }"""


@pytest.mark.parametrize("caller", [None, ADA])
async def test_a_started_session_sees_its_own_account_whoever_asked(caller: object) -> None:
    data = await Shop().ask(DEMO, by=None if caller is None else ADA)

    assert data == {
        "startDemoSession": {
            "__typename": "SessionStarted",
            "session": {
                "accessToken": "token of 4",
                "accessTokenExpiresAt": "2026-01-31T12:15:00Z",
                "refreshTokenExpiresAt": "2026-02-01T12:00:00Z",
            },
            "account": {
                "id": "acct_aaaaaaaaaaaai",
                "email": None,
                "role": "USER",
                "balance": {
                    "available": "10",
                    "lots": [{"entry": {"kind": "SIGN_UP_GRANT"}}],
                },
            },
        }
    }


async def test_starting_a_session_lends_its_rights_to_nothing_else_in_the_request() -> None:
    told = await Shop().tell(
        "mutation { startDemoSession { __typename }"
        ' askAI(input: { messages: { content: "Hi" }, idempotencyKey: "k" }) { __typename } }',
        by=None,
    )

    assert told.data == {"startDemoSession": {"__typename": "SessionStarted"}, "askAI": None}
    assert told.codes == ["UNAUTHENTICATED"]
