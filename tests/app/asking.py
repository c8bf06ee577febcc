"""A caller of a running server, over HTTP."""

from dataclasses import dataclass

import httpx2

ASK = """
mutation Ask($content: String!, $key: String!, $wait: Int! = 60) {
  askAI(input: {messages: {content: $content}, idempotencyKey: $key, waitSeconds: $wait}) {
    __typename
    ... on AskAISuccess {
      answer { id status text charged held attempts { outcome charged } }
      balance { available held total }
      replayed
    }
    ... on Problem { code message httpStatus }
  }
}
"""
DEMO = """
mutation {
  startDemoSession {
    __typename
    ... on SessionStarted { session { accessToken } account { id } }
    ... on Problem { code message }
  }
}
"""
COSTLY = """{ usage(first: 100) {
  nodes { answer { id } model { id } price { id } }
  edges { node { answer { id } model { id } price { id } } }
} }"""
"""Nine hundred points: of a thousand a minute, the next one fits three quarters of it later."""

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply of the GraphQL API."""

    status: int
    body: Json

    def __getitem__(self, path: str) -> Json:
        """What lies at a path such as `askAI.answer.text`, under `data`."""
        found = self.body
        for step in ("data", *path.split(".")):
            match found:
                case dict():
                    found = found[step]
                case list():
                    found = found[int(step)]
                case _:
                    raise AssertionError(f"There is no {path} in {self.body}.")
        return found

    def text(self, path: str) -> str:
        found = self[path]
        assert isinstance(found, str), self.body
        return found

    @property
    def codes(self) -> list[Json]:
        """The codes in `errors`."""
        assert isinstance(self.body, dict)
        errors = self.body.get("errors", [])
        assert isinstance(errors, list)
        return [Reply(0, {"data": error})["extensions.code"] for error in errors]


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody with a token, or without one."""

    url: str
    token: str = ""

    def send(self, query: str, **variables: object) -> Reply:
        headers = {"accept": "application/graphql-response+json"}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        response = httpx2.post(
            f"{self.url}/graphql",
            json={"query": query, "variables": variables},
            headers=headers,
            timeout=60,
        )
        return Reply(response.status_code, response.json())

    def ask(self, content: str, key: str, wait: int = 60) -> Reply:
        return self.send(ASK, content=content, key=key, wait=wait)

    def available(self) -> str:
        return self.send("{ balance { available } }").text("balance.available")


def demo_caller(url: str) -> tuple[Caller, str]:
    """Whom a throw-away account was made for, and its id."""
    started = Caller(url).send(DEMO)
    token = started.text("startDemoSession.session.accessToken")
    return Caller(url, token), started.text("startDemoSession.account.id")
