"""The schema as it is served: documents prepared, gates closed, errors told safely."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from inspect import isawaitable
from typing import Protocol

import strawberry
import structlog
from graphql import GraphQLError, GraphQLSyntaxError, execute
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType
from strawberry.utils.operation import get_operation_type

from app.errors import RequestCode
from app.graphql.documents import Documents, Prepared
from app.graphql.gate import Requirement, refusal
from app.graphql.limits import Limits
from app.graphql.masking import as_told, fault_of_ours
from app.logging import kind_and_places
from app.noting import note_operation
from domain.errors import AccessError, Forbidden, Problem
from domain.identity import Viewer

_log = structlog.get_logger("graphql")
_ADMIN = Requirement("ADMIN")
_NAME_LENGTH_MAX = 100
_OF_ANY_KIND = tuple(OperationType)


class Caller(Protocol):
    """What the transport needs of the context that resolvers get."""

    @property
    def viewer(self) -> Viewer | None: ...

    @property
    def principal(self) -> str:
        """Who shares one allowance."""
        ...

    async def admit(self, *, points: int) -> None:
        """Count what the operation costs; raises RateLimited when the allowance is used up."""


async def faults(
    documents: Documents,
    prepared: Prepared,
    name: str | None,
    variables: Mapping[str, object],
    caller: Caller,
) -> list[GraphQLError]:
    """Why an operation is not run, whatever the transport; counted in any case."""
    points, found = prepared.points, list(prepared.errors)
    if not found:
        try:
            points = max(points, _cost(documents, prepared, name, variables, caller))
        except GraphQLError as error:
            found = [error]
        except (AccessError, Problem) as error:
            found = [GraphQLError(str(error), original_error=error)]
    return await _counted(caller, points, found)


async def _counted(caller: Caller, points: int, found: list[GraphQLError]) -> list[GraphQLError]:
    """What was found wrong, unless the caller has used up what may be asked for at all."""
    if found and not points:
        return found
    try:
        await caller.admit(points=points)
    except Problem as error:
        return [GraphQLError(str(error), original_error=error)]
    return found


def _cost(
    documents: Documents,
    prepared: Prepared,
    name: str | None,
    variables: Mapping[str, object],
    caller: Caller,
) -> int:
    """What running the operation costs; raises whatever speaks against running it."""
    name = prepared.name_of_operation(name)
    if name not in prepared.outlines:
        raise _refused("The document has no operation of the name in operationName.")
    _, outline = prepared.outlines[name]
    required = documents.required.get(outline.kind, {})
    if (refused := refusal(required, outline.roots, caller.viewer)) is not None:
        raise refused
    limits = documents.limits
    is_open = limits.is_introspection_open or _ADMIN.refusal(caller.viewer) is None
    if outline.introspects and not is_open:
        raise Forbidden("Only administrators may ask for the schema. It is published instead.")
    if (excess := limits.excess(outline)) is not None:
        raise _refused(excess, RequestCode.TOO_EXPENSIVE)
    points = documents.points(prepared, name, variables)
    if (excess := limits.excess_of_points(points)) is not None:
        raise _refused(excess, RequestCode.TOO_EXPENSIVE)
    return points


def _refused(message: str, code: RequestCode = RequestCode.INVALID_DOCUMENT) -> GraphQLError:
    return GraphQLError(message, extensions={"code": code})


def _kind_of(
    prepared: Prepared, name: str | None, allowed: Iterable[OperationType]
) -> OperationType:
    """Raises what Strawberry raises for an operation that is missing, or of another kind."""
    try:
        kind = get_operation_type(prepared.document, name)
    except RuntimeError as error:
        raise CannotGetOperationTypeError(name) from error
    if kind not in allowed:
        raise InvalidOperationTypeError(kind)
    return kind


class ServedSchema(strawberry.Schema):
    """A schema that refuses what is too much, and tells no more of an error than it may.

    Other `limits` are set before the first request.
    """

    limits = Limits()

    @cached_property
    def documents(self) -> Documents:
        return Documents(self._schema, self.limits)

    async def execute(
        self,
        query: str | None,
        variable_values: dict[str, object] | None = None,
        context_value: Caller | None = None,
        root_value: object = None,
        operation_name: str | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
        operation_extensions: dict[str, object] | None = None,
    ) -> ExecutionResult:
        """Answer one operation that has one result; what is wrong with it is its result.

        Strawberry's own way leads through hooks that nobody here hangs on; they took a tenth of a
        call. Raises CannotGetOperationTypeError and InvalidOperationTypeError as it does.
        """
        del operation_extensions
        if context_value is None:
            raise TypeError("whoever asks is needed to say what they may have")
        text = query or ""
        try:
            prepared = self.documents.prepare(text)
        except GraphQLSyntaxError as error:
            points = self.documents.points_unread(text)
            return self._failed(await _counted(context_value, points, [error]), operation_name)
        kind = _kind_of(prepared, operation_name, allowed_operation_types or _OF_ANY_KIND)
        note_operation(kind.value, operation_name)
        told_as = operation_name or next(iter(prepared.outlines), None)
        try:
            found = await faults(
                self.documents, prepared, operation_name, variable_values or {}, context_value
            )
            if found:
                return self._failed(found, told_as)
            result = execute(
                self._schema,
                prepared.document,
                root_value,
                context_value,
                variable_values,
                operation_name,
                hide_suggestions=True,
            )
            if isawaitable(result):
                result = await result
        except Exception as error:  # noqa: BLE001 - the edge: the caller is told that it failed
            fault = GraphQLError(str(error), original_error=error)
            return self._failed([fault], told_as)
        if result.errors:
            self.tell(result.errors, told_as)
        return ExecutionResult(data=result.data, errors=result.errors)

    def _failed(self, errors: list[GraphQLError], name: str | None) -> PreExecutionError:
        self.tell(errors, name)
        return PreExecutionError(data=None, errors=errors)

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Replace each error by what the caller may see of it, and log those that are ours.

        Strawberry calls this once for every result on every transport, before and during
        execution and for each event of a stream, with the list that is then sent. Masking in an
        extension would miss what is raised after the extensions have ended.

        What is logged names the operation, the path and where it happened; never the document,
        its variables or the words of an exception, which may hold a prompt or a password.
        """
        self.tell(errors, execution_context.operation_name if execution_context else None)

    def tell(self, errors: list[GraphQLError], name: str | None) -> None:
        """The same for an operation of this name."""
        for error in errors:
            if (cause := fault_of_ours(error)) is not None:
                _log.error(
                    "field failed" if error.path else "operation failed",
                    operation=name and name[:_NAME_LENGTH_MAX],
                    path=".".join(map(str, error.path or ())),
                    **kind_and_places(cause),
                )
        # Errors of a request are told up to a number; a field that is null always has its own.
        if errors and errors[0].path is None:
            del errors[self.limits.errors :]
        errors[:] = [as_told(error) for error in errors]
