"""The schema as it is served: documents prepared, gates closed, errors told safely."""

from collections.abc import AsyncIterator, Iterator, Mapping
from functools import cached_property
from typing import Protocol

import strawberry
import structlog
from graphql import GraphQLError, GraphQLSyntaxError
from strawberry.extensions import SchemaExtension
from strawberry.types import ExecutionContext

from app.errors import RequestCode
from app.graphql.documents import Documents, Prepared
from app.graphql.gate import Requirement, refusal
from app.graphql.limits import Limits
from app.graphql.masking import as_told, fault_of_ours
from app.logging import kind_and_places
from domain.errors import AccessError, Forbidden, Problem
from domain.identity import Viewer

_log = structlog.get_logger("graphql")
_ADMIN = Requirement("ADMIN")
_NAME_LENGTH_MAX = 100


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


class Preparing(SchemaExtension):
    """Reads each document once, and refuses an operation before anything of it runs.

    Whatever is wrong is told as an error of validation, because that is the one way out that
    looks the same on every transport: an exception raised here would end a stream in silence.
    """

    def __init__(self, documents: Documents) -> None:
        self.documents = documents
        self.prepared: Prepared | None = None

    def on_parse(self) -> Iterator[None]:
        context = self.execution_context
        context.parse_options["max_tokens"] = self.documents.limits.tokens
        # A document that cannot be parsed is left to the parser that follows, which says so.
        try:
            self.prepared = self.documents.prepare(context.query or "")
        except GraphQLSyntaxError:
            self.prepared = None
        else:
            context.graphql_document = self.prepared.document
        yield

    async def on_validate(self) -> AsyncIterator[None]:
        if self.prepared is not None:
            context = self.execution_context
            context.pre_execution_errors = await faults(
                self.documents,
                self.prepared,
                # The name that was sent; Strawberry has no public word for it.
                context._provided_operation_name,  # noqa: SLF001
                context.variables or {},
                context.context,
            )
        yield


async def faults(
    documents: Documents,
    prepared: Prepared,
    name: str | None,
    variables: Mapping[str, object],
    caller: Caller,
) -> list[GraphQLError]:
    """Why an operation is not run, whatever the transport; counts it when it is."""
    if prepared.errors:
        return list(prepared.errors)
    try:
        await _admit(documents, prepared, name, variables, caller)
    except GraphQLError as error:
        return [error]
    except (AccessError, Problem) as error:
        return [GraphQLError(str(error), original_error=error)]
    return []


async def _admit(
    documents: Documents,
    prepared: Prepared,
    name: str | None,
    variables: Mapping[str, object],
    caller: Caller,
) -> None:
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
    await caller.admit(points=points)


def _refused(message: str, code: RequestCode = RequestCode.INVALID_DOCUMENT) -> GraphQLError:
    return GraphQLError(message, extensions={"code": code})


class ServedSchema(strawberry.Schema):
    """A schema that refuses what is too much, and tells no more of an error than it may.

    Other `limits` are set before the first request.
    """

    limits = Limits()

    @cached_property
    def documents(self) -> Documents:
        return Documents(self._schema, self.limits)

    def get_extensions(self, sync: bool = False) -> list[SchemaExtension]:  # noqa: FBT001, FBT002 - as in the base class
        return [Preparing(self.documents), *super().get_extensions(sync)]

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
