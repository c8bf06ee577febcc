"""LiteLLM's endpoints for keys, as release 1.105.0 answers them with a database."""

import hashlib
import math
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

MASTER_KEY = "sk-litellm-master-hunter2"
Object = dict[str, object]


@dataclass(slots=True)
class FakeLiteLLM:
    """Keys by their hashes: a key itself is told to nobody but whoever made it."""

    keys: dict[str, Object] = field(default_factory=dict)
    updated: list[Object] = field(default_factory=list)
    listed: int = 0
    fails: int = 0
    """How many requests are answered 503 from now on."""
    budget_max: float = math.inf
    """What LiteLLM lets no budget exceed, by `upperbound_key_generate_params`."""
    vanishing: str = ""
    """A key that is deleted by somebody else just before the next update."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = Starlette(
            routes=[
                Route("/key/list", self._list),
                Route("/key/update", self._update, methods=["POST"]),
            ]
        )
        await app(scope, receive, send)

    # What happens there ------------------------------------------------------

    def generate(
        self, user_id: str | None, *, spend: float = 0.0, max_budget: float | None = None
    ) -> str:
        """Make a key, and tell its hash."""
        token = hashlib.sha256(f"sk-{len(self.keys)}".encode()).hexdigest()
        self.keys[token] = {
            "token": token,
            "key_alias": None,
            "user_id": user_id,
            "team_id": None,
            "spend": spend,
            "max_budget": max_budget,
            "budget_duration": None,
            "blocked": None,
        }
        return token

    def budget(self, token: str) -> object:
        return self.keys[token]["max_budget"]

    def spend(self, token: str) -> object:
        return self.keys[token]["spend"]

    # What is asked of it -----------------------------------------------------

    async def _list(self, request: Request) -> Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        self.listed += 1
        wanted = request.query_params
        page, size = int(wanted.get("page", 1)), int(wanted.get("size", 10))
        if page < 1 or not 1 <= size <= 100:
            return JSONResponse({"detail": [{"loc": ["query"], "msg": "out of range"}]}, 422)
        user_id, is_part = wanted.get("user_id"), wanted.get("substring_matching") == "true"
        found = [key for key in self.keys.values() if _is_of(key, user_id, is_part=is_part)][::-1]
        shown = found[(page - 1) * size : page * size]
        is_full = wanted.get("return_full_object") == "true"
        return JSONResponse(
            {
                "keys": shown if is_full else [key["token"] for key in shown],
                "total_count": len(found),
                "current_page": page,
                "total_pages": math.ceil(len(found) / size),
            }
        )

    async def _update(self, request: Request) -> Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        self.keys.pop(self.vanishing, None)
        told: Object = await request.json()
        budget, token = told.get("max_budget"), str(told.get("key"))
        if token.startswith("sk-"):
            token = hashlib.sha256(token.encode()).hexdigest()
        if isinstance(budget, float) and (not math.isfinite(budget) or budget < 0):
            return _error(400, "max_budget must be a non-negative finite number.", "auth_error")
        if isinstance(budget, float) and budget > self.budget_max:
            return _error(400, "max_budget is over max limit set in config", "auth_error")
        if token not in self.keys:
            return _error(404, "Key not found.", "not_found_error")
        changes = {name: value for name, value in told.items() if name != "key"}
        self.keys[token] |= changes  # a merge patch: what is left out stays, spend as well
        self.updated.append(told)
        return JSONResponse({"key": token, **self.keys[token]})

    def _refusal(self, request: Request) -> Response | None:
        if self.fails > 0:
            self.fails -= 1
            return JSONResponse({"error": {"message": f"no database, {MASTER_KEY}"}}, 503)
        if request.headers.get("authorization") != f"Bearer {MASTER_KEY}":
            return _error(401, "Authentication Error, Invalid proxy server token", "auth_error")
        return None


def _is_of(key: Object, user_id: str | None, *, is_part: bool) -> bool:
    if user_id is None:
        return True
    owner = key["user_id"]
    if not isinstance(owner, str):
        return False
    return user_id.lower() in owner.lower() if is_part else owner == user_id


def _error(status: int, message: str, kind: str) -> Response:
    error = {"message": message, "type": kind, "param": "None", "code": str(status)}
    return JSONResponse({"error": error}, status)
