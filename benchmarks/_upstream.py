"""The fastest provider Python can be: one fixed answer for every question. Run with a port."""

import sys
from typing import Final

import uvicorn
from starlette.types import Receive, Scope, Send

_ANSWER: Final = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"A ledger is a book in which every line stays as it '
    b'was written, and the total follows from the lines."},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":12,"completion_tokens":20,"total_tokens":32}}'
)
_HEADERS: Final = [
    (b"content-type", b"application/json"),
    (b"content-length", str(len(_ANSWER)).encode()),
]


async def app(_scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body", False):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": _ANSWER})


if __name__ == "__main__":
    uvicorn.run(
        app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", lifespan="off", ws="none"
    )
