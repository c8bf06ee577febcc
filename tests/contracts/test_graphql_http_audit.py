"""The public audit of GraphQL over HTTP, run by its own program against our server."""

import json

from tests import node
from tests.app.client import served
from tests.app.toy import Toy


def test_the_public_audit_of_graphql_over_http_finds_nothing() -> None:
    with served(Toy().app()) as (host, port):
        printed = node.run("graphql_http_audit.mjs", f"http://{host}:{port}/graphql", "admin")

    results = json.loads(printed)
    assert [result for result in results if result["status"] != "ok"] == []
    assert len(results) == 61
