"""Streams that are passed on: each event is read once, and handed on as the bytes it came in.

What waits in the socket is handed on together. The last event is kept back: the caller gets it
when the answer is paid for, so a stream that ended well for the caller has ended well in the books.
"""

from abc import ABC, abstractmethod
from typing import Final

import orjson

from adapters.models.chat_completions import tokens_of
from adapters.models.faults import Fault
from adapters.models.passed_wire import (
    MALFORMED,
    Whole,
    all_words,
    finish_reason_of,
    interruption,
    renamed,
    response_of,
    response_tokens,
    says_something,
)
from adapters.models.passed_words import words_of
from domain.errors import ProviderFailure
from domain.passed_calls import Door, Hear, PassedCall
from domain.pricing import Tokens

_DATA: Final = b"data: "
_DATA_LENGTH: Final = len(_DATA)
_DONE: Final = b"[DONE]"
_END: Final = b"\n\n"
_BROKEN_OFF: Final = "broken off by the provider"
_CUT: Final = "answer broken off"


class Interrupted(Exception):
    """The stream itself says that it failed; nothing of that is handed on."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        super().__init__(fault.detail)


class Events(ABC):
    """Reads the events of one stream as they arrive."""

    def __init__(self, call: PassedCall, hear: Hear) -> None:
        self._model = call.request.model
        self._wants_usage = call.request.wants_usage
        self._hear = hear
        self._unfinished = b""
        self._texts: list[str] = []
        self._words: list[str] = []
        """The texts, and all else that was heard."""
        self.tokens: Tokens | None = None
        self.has_something = False
        self.is_done = False
        """Whether the answer is whole; more may follow, but nothing of it."""

    def feed(self, data: bytes) -> bytes:
        """What can be handed on now that this has arrived. Raises Interrupted."""
        if self._unfinished:
            data = self._unfinished + data
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n")
        end = data.rfind(_END)
        if end < 0:
            self._unfinished = data
            return b""
        if end == len(data) - 2 and data.find(_END) == end:
            # One event and no more: the usual thing.
            self._unfinished = b""
            event = data[:end]
            kept_event = self._kept(event)
            if kept_event is event:
                return data
            return kept_event + _END if kept_event else b""
        self._unfinished = data[end + 2 :]
        kept = [event for event in map(self._kept, data[:end].split(_END)) if event]
        if not kept:
            return b""
        kept.append(b"")
        return _END.join(kept)

    @abstractmethod
    def end(self) -> Whole | Fault:
        """What the stream came to, now that nothing more arrives."""

    @abstractmethod
    def _read(self, event: bytes, told: dict[str, object]) -> bytes | None:
        """What of an event is handed on."""

    @abstractmethod
    def _done(self) -> None:
        """The stream says that it is complete."""

    def _kept(self, event: bytes) -> bytes | None:
        if event.startswith(_DATA) and b"\n" not in event:
            data = event[_DATA_LENGTH:]
        else:
            data = _data_of(event)
            if not data:
                return event  # a comment that keeps the connection open
        if data == _DONE:
            self._done()
            return None
        try:
            told: object = orjson.loads(data)
        except orjson.JSONDecodeError:
            raise Interrupted(MALFORMED) from None
        if not isinstance(told, dict):
            raise Interrupted(MALFORMED)
        return self._read(event, told)

    def _say(self, text: str) -> None:
        if not self.has_something:
            self.has_something = not text.isspace()
        self._texts.append(text)
        self._tell(text)

    def _tell(self, words: str) -> None:
        self._words.append(words)
        self._hear(words)

    def _broken_off(self, detail: str) -> Fault:
        return Fault(reason=ProviderFailure.ERROR, detail=detail, tokens=self.tokens)


def _data_of(event: bytes) -> bytes:
    """The data lines of an event, without what names it."""
    lines = (line for line in event.split(b"\n") if line.startswith(b"data:"))
    return b"\n".join(line[5:].removeprefix(b" ") for line in lines)


class ChatEvents(Events):
    """A stream of chat completions."""

    _finish: object = None
    _their_name: str | None = None
    _theirs = _ours = b""

    def end(self) -> Whole | Fault:
        if not self.is_done and self._finish is None:
            return self._broken_off(_CUT)
        if fault := interruption(
            self._finish, has_something=self.has_something, tokens=self.tokens
        ):
            return fault
        return Whole(
            body=_DATA + _DONE + _END,
            text="".join(self._texts),
            finish_reason=finish_reason_of(self._finish),
            tokens=self.tokens,
            words="".join(self._words) if self.tokens is None else "",
        )

    def _done(self) -> None:
        self.is_done = True

    def _read(self, event: bytes, told: dict[str, object]) -> bytes | None:
        choices = told.get("choices")
        if told.get("error"):
            raise Interrupted(self._broken_off(_BROKEN_OFF))
        if isinstance(choices, list):
            for choice in choices:
                self._read_choice(choice)
        if "usage" in told:
            usage = told["usage"]
            if usage is not None:
                self.tokens = tokens_of(usage) or self.tokens
            if not self._wants_usage:
                if not choices:
                    return None
                event = _without_usage(event, told)
        named = told.get("model")
        if named == self._model or not isinstance(named, str):
            return event
        return self._renamed(event, told, named)

    def _renamed(self, event: bytes, told: dict[str, object], named: str) -> bytes:
        """The same as `renamed`, with what to look for worked out once a stream."""
        if named != self._their_name:
            self._their_name = named
            self._theirs = b'"model":' + orjson.dumps(named)
            self._ours = b'"model":' + orjson.dumps(self._model)
        if self._theirs in event:
            return event.replace(self._theirs, self._ours, 1)
        return renamed(event, told, self._model)

    def _read_choice(self, choice: object) -> None:
        if not isinstance(choice, dict):
            raise Interrupted(MALFORMED)
        delta = choice.get("delta")
        if isinstance(delta, dict):
            content = delta.get("content")
            is_text = isinstance(content, str)
            if content and isinstance(content, str):
                self._say(content)
            if len(delta) > is_text + ("role" in delta):
                self._read_other({**delta, "content": None} if is_text else delta)
        finish = choice.get("finish_reason")
        if finish is not None:
            self._finish = finish
            fault = interruption(finish, has_something=True, tokens=self.tokens)
            if fault is not None:
                raise Interrupted(fault)

    def _read_other(self, delta: dict[str, object]) -> None:
        """Calls of tools, reasoning that is shown, refusals: no text, but something."""
        if says_something(delta):
            self.has_something = True
            for words in words_of(delta):
                self._tell(words)


class ResponseEvents(Events):
    """A stream of the responses API."""

    _rest: bytes | None = None
    _outcome: Whole | Fault | None = None

    def end(self) -> Whole | Fault:
        return self._outcome or self._broken_off(_CUT)

    def _done(self) -> None:
        """Not said by this API, and harmless where it is."""

    def _read(self, event: bytes, told: dict[str, object]) -> bytes | None:
        kind, response = told.get("type"), told.get("response")
        if not isinstance(kind, str) or kind == "error" or told.get("error"):
            raise Interrupted(self._broken_off(_BROKEN_OFF))
        if isinstance(response, dict):
            named = _renamed_within(event, told, response, self._model)
            match kind:
                case "response.completed" | "response.incomplete" | "response.failed":
                    self._finish(named, response)
                    return None
                case _:
                    return named
        match told:
            case {"type": "response.output_text.delta", "delta": str(said)} if said:
                self._say(said)
            case {"type": "response.output_item.added", "item": {"name": str(said)}} if said:
                self._say_other(said)
            case {"delta": str(said)} if said and kind.endswith(".delta"):
                self._say_other(said)
            case _:
                pass
        return event

    def _say_other(self, words: str) -> None:
        """Calls of tools, reasoning that is shown, refusals: no text, but something."""
        self.has_something = True
        self._tell(words)

    def _finish(self, event: bytes, response: dict[str, object]) -> None:
        self.tokens = response_tokens(response.get("usage")) or self.tokens
        found = response_of(response)
        self.is_done = True
        if isinstance(found, Fault):
            self._outcome = found
            return
        text, finish_reason, tokens = found
        self._outcome = Whole(
            body=event + _END,
            text="".join(self._texts) or text,
            finish_reason=finish_reason,
            tokens=tokens,
            words=all_words(response) if tokens is None else "",
        )


def events_of(call: PassedCall, hear: Hear) -> Events:
    """The reader for what a call is answered with."""
    return (ResponseEvents if call.request.door is Door.RESPONSES else ChatEvents)(call, hear)


def _without_usage(event: bytes, told: dict[str, object]) -> bytes:
    if told["usage"] is None and b',"usage":null' in event:
        del told["usage"]
        return event.replace(b',"usage":null', b"", 1)
    del told["usage"]
    return _DATA + orjson.dumps(told)


def _renamed_within(
    event: bytes, told: dict[str, object], response: dict[str, object], model: str
) -> bytes:
    if response.get("model") == model or not isinstance(response.get("model"), str):
        return event
    renamed_event = renamed(event, response, model)
    if renamed_event.startswith((b"data:", b"event:", b"id:", b":")):
        return renamed_event
    body = orjson.dumps({**told, "response": {**response, "model": model}})
    return b"event: " + str(told["type"]).encode() + b"\n" + _DATA + body
