"""The fastest provider Python can be: one fixed answer for every question. Run with a port.

Whoever asks for a stream gets the same answer in twenty chunks, all at once.
"""

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
_HEAD: Final = b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m",'
_TEXT: Final = (
    b"A ledger is a book in which every line stays as it was written, "
    b"and the total follows from the lines."
)
_STREAM: Final = b"".join(
    [
        *(
            _HEAD
            + b'"choices":[{"index":0,"delta":{"content":"%s "},"finish_reason":null}]}\n\n' % word
            for word in _TEXT.split()
        ),
        _HEAD + b'"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n',
        _HEAD + b'"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":20}}\n\n',
        b"data: [DONE]\n\n",
    ]
)


def _headers(body: bytes, content_type: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]


_WHOLE_HEADERS: Final = _headers(_ANSWER, b"application/json")
_STREAM_HEADERS: Final = _headers(_STREAM, b"text/event-stream")


async def app(_scope: Scope, receive: Receive, send: Send) -> None:
    is_stream = False
    while True:
        message = await receive()
        is_stream = is_stream or b'"stream":true' in message.get("body", b"")
        if not message.get("more_body", False):
            break
    headers, body = (_STREAM_HEADERS, _STREAM) if is_stream else (_WHOLE_HEADERS, _ANSWER)
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    uvicorn.run(
        app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", lifespan="off", ws="none"
    )
