"""Messages of graphql-transport-ws, read strictly: what is not one of them closes the socket."""

from collections.abc import Mapping
from dataclasses import dataclass
from json import JSONDecodeError
from typing import Final, TypeAlias

import orjson
from strawberry.http import GraphQLRequestData

PROTOCOL: Final = "graphql-transport-ws"


class BadMessage(Exception):
    """Not a message of the protocol; says what is wrong with it, never with what is in it."""


@dataclass(frozen=True, slots=True)
class Init:
    """The first message, with what the client says about itself."""

    payload: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks for a Pong with the same payload."""

    payload: Mapping[str, object] | None


@dataclass(frozen=True, slots=True)
class Pong:
    """Answers a Ping, or just shows that the client is alive."""


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Begins an operation of any kind."""

    id: str
    asked: GraphQLRequestData


@dataclass(frozen=True, slots=True)
class Complete:
    """Ends an operation."""

    id: str


Message: TypeAlias = Init | Ping | Pong | Subscribe | Complete


def read(text: str) -> Message:
    """What a client says. Raises BadMessage."""
    try:
        message: object = orjson.loads(text)
    except JSONDecodeError:
        raise BadMessage("Messages are JSON.") from None
    if not isinstance(message, dict):
        raise BadMessage("Messages are JSON objects.")
    match message.get("type"):
        case "connection_init":
            return Init(_object(message, "payload") or {})
        case "ping":
            return Ping(_object(message, "payload"))
        case "pong":
            _object(message, "payload")
            return Pong()
        case "subscribe":
            return Subscribe(_id(message), _asked(_object(message, "payload") or {}))
        case "complete":
            return Complete(_id(message))
        case _:
            raise BadMessage("Messages have a type that clients may send.")


def _asked(payload: Mapping[str, object]) -> GraphQLRequestData:
    query, name = payload.get("query"), payload.get("operationName")
    if not isinstance(query, str) or not query:
        raise BadMessage("payload.query is a document.")
    if not isinstance(name, str | None):
        raise BadMessage("payload.operationName is a string or null.")
    return GraphQLRequestData(
        query=query,
        variables=_object(payload, "variables"),
        operation_name=name or None,
        extensions=_object(payload, "extensions"),
    )


def _id(message: Mapping[str, object]) -> str:
    match message.get("id"):
        case str() as id if id:
            return id
        case _:
            raise BadMessage("id is a string that is not empty.")


def _object(given: Mapping[str, object], name: str) -> dict[str, object] | None:
    match given.get(name):
        case None:
            return None
        case dict() as value:
            return value
        case _:
            raise BadMessage(f"{name} is an object or null.")
