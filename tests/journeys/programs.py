"""People who make API keys, and programs that call with them."""

from dataclasses import dataclass

from tests.journeys.system import House, Person

CREATE = """mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) {
  ... on CreateApiKeySuccess { secret apiKey { id } }
  ... on Problem { code message } } }"""
UPDATE = """mutation ($input: UpdateApiKeyInput!) { updateApiKey(input: $input) {
  __typename ... on Problem { code message } } }"""
FUND = """mutation ($id: ID!, $amount: Credits!, $key: String!) {
  fundApiKey(input: { apiKeyId: $id, amount: $amount, idempotencyKey: $key }) {
    __typename
    ... on FundApiKeySuccess { replayed balance { available } apiKey { balance { available } } }
    ... on Problem { code } } }"""
REVOKE = """mutation ($id: ID!) { revokeApiKey(input: { apiKeyId: $id }) {
  __typename
  ... on RevokeApiKeySuccess {
    returned balance { total } apiKey { status balance { available held } } }
  ... on Problem { code } } }"""


@dataclass(frozen=True, slots=True)
class Robot:
    """A program with a key."""

    person: Person
    key_id: str
    secret: str


async def make_robot(house: House, owner: Person, **given: object) -> Robot:
    """A program of somebody's, with a key of these settings."""
    made = await owner.send(CREATE, input={"name": "a robot", **given})
    secret = made.text("createApiKey.secret")
    return Robot(Person(house.http, secret), made.text("createApiKey.apiKey.id"), secret)
