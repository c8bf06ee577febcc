"""GraphiQL at /graphiql: a page to try the API in, served whole from this checkout."""

import os
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

ASSETS: Final = Path(__file__).parent / "static" / "graphiql"

# The editor writes styles into the page, so those may be inline; scripts may not. Requests go to
# this origin only: nothing that is typed or pasted here can be sent anywhere else.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class _Assets(StaticFiles):
    """Files that a browser may keep, and asks about each time."""

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["cache-control"] = "no-cache"
        return response


def routes(contract: str) -> list[BaseRoute]:
    """The page, what it is made of, and the printed contract from which it documents the API.

    The contract is public, so the page explains every field to callers who may not ask the
    running schema about itself.
    """
    page = (ASSETS / "index.html").read_text(encoding="utf-8")

    async def graphiql(_: Request) -> Response:
        return HTMLResponse(page, headers={"content-security-policy": POLICY})

    async def schema(_: Request) -> Response:
        return PlainTextResponse(contract)

    return [
        Route("/graphiql", graphiql),
        Route("/schema.graphql", schema),
        Mount("/static/graphiql", _Assets(directory=ASSETS)),
    ]
