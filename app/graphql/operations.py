"""Operations that may have many results, for the transports that can deliver them."""

from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass
from inspect import isawaitable
from typing import Final, TypeAlias

from graphql import (
    ExecutionResult,
    Executor,
    FieldNode,
    GraphQLError,
    OperationType,
    create_source_event_stream,
    execute_subscription_event,
    located_error,
)
from strawberry.http import GraphQLHTTPResponse, GraphQLRequestData
from strawberry.schema.exceptions import CannotGetOperationTypeError

from app.errors import RequestCode
from app.graphql.documents import Prepared
from app.graphql.gate import refusal
from app.graphql.outline import Outline
from app.graphql.plain import PlainEvents
from app.graphql.schema import Caller, ServedSchema, faults
from app.noting import NONE, note_operation
from domain.errors import AccessError
from domain.identity import Viewer

Body: TypeAlias = GraphQLHTTPResponse
"""What is delivered: `data`, `errors`, or both. One without `data` is the last of its operation."""

_NO_OPERATION: Final = "The document has no operation."
_NO_SUCH_OPERATION: Final = "The document has no operation of the name in operationName."


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One operation on its way, of whatever kind."""

    schema: ServedSchema
    asked: GraphQLRequestData
    caller: Caller
    prepared: Prepared | None
    outline: Outline | None

    @classmethod
    def of(cls, schema: ServedSchema, asked: GraphQLRequestData, caller: Caller) -> "Operation":
        """Read what is asked; whatever is wrong with it will be its result."""
        try:
            prepared = schema.documents.prepare(asked.query or "")
            name = prepared.name_of_operation(asked.operation_name)
        except GraphQLError:
            return cls(schema, asked, caller, None, None)
        _, outline = prepared.outlines.get(name, (None, None))
        return cls(schema, asked, caller, prepared, outline)

    @property
    def kind(self) -> str:
        return NONE if self.outline is None else self.outline.kind.value

    @property
    def is_change(self) -> bool:
        """Whether it is seen through to its end even if nobody waits for it any more."""
        return self.outline is not None and self.outline.kind is OperationType.MUTATION

    def refusal(self, viewer: Viewer | None) -> AccessError | None:
        """Why a caller may not have this any more."""
        if self.outline is None:
            return None
        required = self.schema.documents.required.get(self.outline.kind, {})
        return refusal(required, self.outline.roots, viewer)

    def results(self) -> AsyncGenerator[Body, None]:
        """Everything there is to deliver, one after the other; masked as on every transport."""
        if self.outline is None or self.outline.kind is not OperationType.SUBSCRIPTION:
            return self._answered()
        note_operation(self.kind, self.asked.operation_name)
        return self._streamed()

    async def _answered(self) -> AsyncGenerator[Body, None]:
        asked = self.asked
        try:
            result = await self.schema.execute(
                asked.query,
                variable_values=asked.variables,
                context_value=self.caller,
                operation_name=asked.operation_name,
                operation_extensions=asked.extensions,
            )
        except CannotGetOperationTypeError as error:
            unknown = _NO_OPERATION if error.operation_name is None else _NO_SUCH_OPERATION
            refused = GraphQLError(unknown, extensions={"code": RequestCode.INVALID_DOCUMENT})
            yield self._failed([refused])
        else:
            yield body_of(result.data, result.errors)

    async def _streamed(self) -> AsyncGenerator[Body, None]:
        executor = await self._executor()
        if isinstance(executor, list):
            yield self._failed(executor)
            return
        source = create_source_event_stream(executor)
        events = await source if isawaitable(source) else source
        if isinstance(events, ExecutionResult):
            yield self._failed(list(events.errors or ()))
            return
        plain = PlainEvents.of(executor)
        try:
            async for event in events:
                data = None if plain is None else plain.data(event)
                if data is not None:
                    yield {"data": data}
                else:
                    yield await self._executed(executor, event)
        except Exception as error:  # noqa: BLE001 - what a stream raises is its last result
            yield self._failed([_located(executor, error)])
        finally:
            await _close(events)

    async def _executor(self) -> Executor[None] | list[GraphQLError]:
        """What runs a subscription; or why it is not run, whatever the transport."""
        asked, prepared = self.asked, self.prepared
        if prepared is None:
            raise TypeError("a document that was not read got past the look at its kind")
        found = await faults(
            self.schema.documents,
            prepared,
            asked.operation_name,
            asked.variables or {},
            self.caller,
        )
        return found or Executor.build(
            self.schema._schema,  # noqa: SLF001 - there is no public way
            prepared.document,
            context_value=self.caller,
            raw_variable_values=asked.variables,
            operation_name=asked.operation_name,
            hide_suggestions=True,
        )

    async def _executed(self, executor: Executor[None], event: object) -> Body:
        result = execute_subscription_event(executor.build_per_event_executor(event))
        done = await result if isawaitable(result) else result
        if done.errors:
            self.schema.tell(done.errors, self.asked.operation_name)
        return body_of(done.data, done.errors, is_event=True)

    def _failed(self, errors: list[GraphQLError]) -> Body:
        self.schema.tell(errors, self.asked.operation_name)
        return {"errors": [error.formatted for error in errors]}


def body_of(
    data: dict[str, object] | None, errors: list[GraphQLError] | None, *, is_event: bool = False
) -> Body:
    """One result as it is delivered; what failed before it ran has no `data` at all."""
    if not errors:
        return {"data": data}
    told: list[object] = [error.formatted for error in errors]
    if data is None and not is_event and all(error.path is None for error in errors):
        return {"errors": told}
    return {"data": data, "errors": told}


def _located(executor: Executor[None], error: Exception) -> GraphQLError:
    """The error at the field whose stream it ended."""
    [field, *_] = executor.operation.selection_set.selections
    if not isinstance(field, FieldNode):
        return located_error(error, [field])
    return located_error(error, [field], [(field.alias or field.name).value])


async def _close(events: AsyncIterable[object]) -> None:
    if isinstance(events, AsyncGenerator):
        await events.aclose()
