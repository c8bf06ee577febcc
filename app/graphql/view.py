"""GraphQL over HTTP: from a request to one JSON answer, or to a stream of them.

Built on Strawberry's view, with its hooks replaced where it departs from the specification of
GraphQL over HTTP or where a caller could make it fail.
"""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import TypeVar

import orjson
import structlog
from cross_web import AsyncHTTPRequestAdapter
from graphql import GraphQLError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.http import GraphQLHTTPResponse, GraphQLRequestData
from strawberry.http.base import BaseRequestProtocol
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from app.errors import INTERNAL_MESSAGE, STATUS, Refused, RequestCode, Stopping, told
from app.graphql.asked import asked_in_body, asked_in_url
from app.graphql.door import Door, FindsCaller
from app.graphql.events import EventStream
from app.graphql.negotiation import (
    GRAPHQL_RESPONSE,
    JSON,
    MediaType,
    answer_type,
    require_json,
    wants_events,
)
from app.graphql.operations import Operation, body_of
from app.graphql.schema import Caller, ServedSchema
from app.graphql.socket import INIT_SECONDS_MAX, Socket
from app.graphql.streams import Streams
from app.http import read_body, replay
from app.logging import REQUEST_ID, kind_and_places
from domain.errors import AccessError, Problem, Unauthenticated
from domain.tracing import span

BODY_BYTES_MAX = 64 * 1024
BODY_SECONDS_MAX = 10.0
_ONE_OPERATION = "a batch got past the reading of the body"
_ANSWERED = {
    "GET": {OperationType.QUERY},
    "POST": {OperationType.QUERY, OperationType.MUTATION},
}

_log = structlog.get_logger("graphql")
_Context = TypeVar("_Context", bound=Caller)


class GraphQLView(GraphQL[_Context, None]):
    """Answers GraphQL requests, each on behalf of the caller that `context` finds in it.

    `context` may raise an AccessError or a Problem to refuse the request before it is read. By
    GET only queries are answered, or nothing at all without `serves_get`.
    """

    def __init__(
        self,
        schema: ServedSchema,
        context: FindsCaller[_Context],
        *,
        serves_get: bool = True,
        body_seconds_max: float = BODY_SECONDS_MAX,
        init_seconds_max: float = INIT_SECONDS_MAX,
        streams: Streams | None = None,
    ) -> None:
        super().__init__(
            schema,
            graphql_ide=None,
            allow_queries_via_get=serves_get,
            subscription_protocols=(),
        )
        self.schema: ServedSchema = schema
        self.door: Door[_Context] = Door(schema, context, streams=streams or Streams())
        self.methods = ("GET", "POST") if serves_get else ("POST",)
        self.body_seconds_max = body_seconds_max
        self.init_seconds_max = init_seconds_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            socket = WebSocket(scope, receive, send)
            await Socket(self.door, socket, init_seconds_max=self.init_seconds_max).serve()
            return
        request = Request(scope, receive)
        try:
            response = await self._respond(request, receive)
        except ClientDisconnect:
            return
        except asyncio.CancelledError:
            stopping = Stopping()
            headers = {"retry-after": "1"}
            response = _failure(request, told(stopping), str(stopping), headers=headers)
        await response(scope, receive, send)

    async def _respond(self, request: Request, receive: Receive) -> Response:
        try:
            if wants_events(request.headers.get("accept")):
                return await self._begin_events(request, receive)
            return await self.run(await self._taken_in(request, receive))
        except Refused as refused:
            return _failure(
                request,
                {"code": RequestCode.BAD_REQUEST},
                str(refused),
                status=refused.status,
                headers=refused.headers,
            )
        except Unauthenticated as error:
            # Raised here only for a token that was sent; a missing one is found by the gate.
            header = {"www-authenticate": 'Bearer error="invalid_token"'}
            return _failure(request, told(error), str(error), headers=header)
        except (AccessError, Problem) as error:
            return _failure(request, told(error), str(error))
        except ClientDisconnect:
            raise
        except Exception as fault:  # noqa: BLE001 - the edge: nobody else would tell the caller
            _log.error("request failed", **kind_and_places(fault))
            internal = {"code": RequestCode.INTERNAL, "requestId": REQUEST_ID.get()}
            return _failure(request, internal, INTERNAL_MESSAGE)

    async def _begin_events(self, request: Request, receive: Receive) -> Response:
        """A stream of events, or the refusal of it, which is told as that of any request."""
        if request.method != "POST":
            raise _not_allowed("Streams are asked for by POST.", ("POST",))
        body = await (await self._taken_in(request, receive)).body()
        caller = await self.get_context(request, Response())
        asked = asked_in_body(body, self.decode_json)
        return EventStream(self.door, request, Operation.of(self.schema, asked, caller))

    async def _taken_in(self, request: Request, receive: Receive) -> Request:
        """The request with its body read, or `Refused` for what its head already tells."""
        if request.method not in self.methods:
            raise _not_allowed(f"{request.method} is not answered here.", self.methods)
        if request.method == "GET":
            return request
        require_json(request.headers.get("content-type"))
        body = await read_body(
            request.scope,
            receive,
            bytes_max=BODY_BYTES_MAX,
            seconds_max=self.body_seconds_max,
        )
        return Request(request.scope, replay(body, receive))

    def should_render_graphql_ide(self, _: BaseRequestProtocol) -> bool:
        return False

    async def get_sub_response(self, request: Request | WebSocket) -> Response:
        """Carries the type that was negotiated to where the answer is made."""
        return Response(media_type=answer_type(request.headers.get("accept")))

    async def get_context(
        self, request: Request | WebSocket, response: Response | WebSocket
    ) -> _Context:
        del response
        return await self.door.context(request, request.headers.getlist("authorization"))

    def decode_json(self, data: str | bytes) -> object:
        """Strict: no NaN, no broken UTF-8, no nesting or number that breaks what comes after."""
        value: object = orjson.loads(data)
        return value

    def encode_json(self, data: object) -> str:
        return orjson.dumps(data).decode()

    async def parse_http_body(self, request: AsyncHTTPRequestAdapter) -> GraphQLRequestData:
        if request.method == "GET":
            return asked_in_url(request.query_params, self.decode_json)
        return asked_in_body(await request.get_body(), self.decode_json)

    async def execute_operation(
        self,
        request: Request,
        request_adapter: AsyncHTTPRequestAdapter,
        request_data: GraphQLRequestData | list[GraphQLRequestData],
        context: _Context,
        root_value: None,
        sub_response: Response,
    ) -> ExecutionResult:
        del request, sub_response
        if isinstance(request_data, list):
            raise TypeError(_ONE_OPERATION)
        try:
            with span("graphql", {}):
                return await self.schema.execute(
                    request_data.query,
                    variable_values=request_data.variables,
                    context_value=context,
                    root_value=root_value,
                    operation_name=request_data.operation_name,
                    allowed_operation_types=_ANSWERED[request_adapter.method],
                    operation_extensions=request_data.extensions,
                )
        except CannotGetOperationTypeError as error:
            if error.operation_name is None:
                return _invalid("The document has no operation.")
            return _invalid("The document has no operation of the name in operationName.")
        except InvalidOperationTypeError as error:
            if error.operation_type is OperationType.MUTATION:
                raise _not_allowed("Changes are sent by POST.", ("POST",)) from None
            return _invalid(
                "A subscription has many answers. It needs a WebSocket (graphql-transport-ws) or "
                "server-sent events (Accept: text/event-stream)."
            )

    async def process_result(
        self, request: Request, result: ExecutionResult
    ) -> GraphQLHTTPResponse:
        """The body of an answer; one that failed before it ran has no `data` at all."""
        del request
        return body_of(result.data, result.errors)

    def create_response(
        self,
        response_data: GraphQLHTTPResponse | list[GraphQLHTTPResponse],
        sub_response: Response,
    ) -> Response:
        if isinstance(response_data, list):
            raise TypeError(_ONE_OPERATION)
        media_type = GRAPHQL_RESPONSE if sub_response.media_type == GRAPHQL_RESPONSE else JSON
        if "data" in response_data:
            return _answer(response_data, media_type, HTTPStatus.OK)
        extensions = _first_extensions(response_data)
        return _answer(
            response_data, media_type, _status(extensions, media_type), _advice(extensions)
        )


def _failure(
    request: Request,
    extensions: Mapping[str, object],
    message: str,
    *,
    status: HTTPStatus | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer to a request that did not get as far as its document."""
    try:
        media_type = answer_type(request.headers.get("accept"))
    except Refused:
        media_type = JSON
    return _answer(
        {"errors": [{"message": message, "extensions": extensions}]},
        media_type,
        status or _status(extensions, media_type),
        {**_advice(extensions), **(headers or {})},
    )


def _answer(
    body: GraphQLHTTPResponse,
    media_type: MediaType,
    status: HTTPStatus,
    headers: Mapping[str, str] | None = None,
) -> Response:
    return Response(
        orjson.dumps(body),
        status_code=int(status),
        headers={**(headers or {}), "content-type": f"{media_type}; charset=utf-8"},
    )


def _status(extensions: Mapping[str, object], media_type: MediaType) -> HTTPStatus:
    """Under plain JSON a well-formed request has status 200 whatever is wrong in its document."""
    usual = HTTPStatus.OK if media_type == JSON else HTTPStatus.BAD_REQUEST
    return STATUS.get(str(extensions.get("code")), usual)


def _advice(extensions: Mapping[str, object]) -> dict[str, str]:
    """Headers that tell a program when, or with what, to try again."""
    if extensions.get("code") == RequestCode.UNAUTHENTICATED:
        return {"www-authenticate": "Bearer"}
    if (seconds := extensions.get("retryAfterSeconds")) is not None:
        return {"retry-after": str(seconds)}
    return {}


def _first_extensions(body: GraphQLHTTPResponse) -> Mapping[str, object]:
    match body:
        case {"errors": [{"extensions": dict() as extensions}, *_]}:
            return extensions
        case _:
            return {}


def _invalid(message: str) -> PreExecutionError:
    error = GraphQLError(message, extensions={"code": RequestCode.INVALID_DOCUMENT})
    return PreExecutionError(data=None, errors=[error])


def _not_allowed(message: str, methods: tuple[str, ...]) -> Refused:
    allowed = ", ".join(methods)
    return Refused(
        f"{message} Use {allowed}.",
        status=HTTPStatus.METHOD_NOT_ALLOWED,
        headers={"allow": allowed},
    )
