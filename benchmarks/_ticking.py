"""A provider whose tokens tell when they were sent: 100 of them, 20 ms apart. Run with a port."""

import asyncio
import sys
import time
from typing import Final

import uvicorn
from starlette.types import Receive, Scope, Send

PIECES: Final = 100
SECONDS_APART: Final = 0.02
BEGINS_AFTER_SECONDS: Final = 0.5
_HEAD: Final = b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m",'
_CHUNK: Final = (
    _HEAD + b'"system_fingerprint":"fp","choices":[{"index":0,"delta":{"content":"%d "},'
    b'"logprobs":null,"finish_reason":null}]}\n\n'
)
_END: Final = (
    _HEAD
    + b'"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    + _HEAD
    + b'"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":100}}\n\ndata: [DONE]\n\n'
)


async def app(_scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body", False):
        pass
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    loop = asyncio.get_running_loop()
    due_at = loop.time() + BEGINS_AFTER_SECONDS
    for _ in range(PIECES):
        await asyncio.sleep(due_at - loop.time())
        due_at += SECONDS_APART
        body = _CHUNK % time.monotonic_ns()
        await send({"type": "http.response.body", "body": body, "more_body": True})
    await send({"type": "http.response.body", "body": _END})


if __name__ == "__main__":
    uvicorn.run(
        app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", lifespan="off", ws="none"
    )
