"""What a caller may see of an error, and what our log may say of one that is ours."""

import re

from graphql import FieldNode, GraphQLError, GraphQLSyntaxError

from app.errors import INTERNAL_MESSAGE, RequestCode, told
from app.logging import REQUEST_ID
from domain.errors import AccessError, Problem, ProblemCode

_KNOWN_CODES = frozenset((*RequestCode, *ProblemCode))
_SUGGESTION = re.compile(r" Did you mean .*\?")
_TOO_MANY_TOKENS = "tokens. Parsing aborted."


def fault_of_ours(error: GraphQLError) -> BaseException | None:
    """The exception behind an error that nobody expected, or None for one that callers cause."""
    if _code(error) is not None:
        return None
    return error.original_error or error


def as_told(error: GraphQLError) -> GraphQLError:
    """The error as it may leave: with a code we know, or with nothing but a number to quote."""
    code = _code(error)
    cause = _innermost(error)
    if code is None:
        message = INTERNAL_MESSAGE
        extensions: dict[str, object] = {
            "code": RequestCode.INTERNAL,
            "requestId": REQUEST_ID.get(),
        }
    elif isinstance(cause, AccessError | Problem):
        message, extensions = str(cause), told(cause)
    else:
        # Strawberry leaves no way to coerce variables without suggestions.
        message, extensions = _SUGGESTION.sub("", error.message), {"code": code}
    return GraphQLError(
        message,
        error.nodes,
        error.source,
        error.positions,
        error.path,
        extensions=extensions,
    )


def _code(error: GraphQLError) -> str | None:
    """The code of an error that the caller may see, or None for a fault of ours."""
    cause = _innermost(error)
    if isinstance(cause, AccessError | Problem):
        return cause.code
    known = (error.extensions or {}).get("code")
    if isinstance(known, str) and known in _KNOWN_CODES:
        return known
    if isinstance(error, GraphQLSyntaxError) and error.message.endswith(_TOO_MANY_TOKENS):
        return RequestCode.TOO_EXPENSIVE
    return RequestCode.INVALID_DOCUMENT if _is_of_input(error, cause) else None


def _is_of_input(error: GraphQLError, cause: BaseException | None) -> bool:
    """Whether the document or its variables are wrong, rather than what answers them.

    Errors of variables wrap what their scalar said. An error while a field runs is about the
    input only when it points at an argument: one that points at a field is about its value.
    """
    if isinstance(error.original_error, GraphQLError):
        return error.path is None and (cause is None or isinstance(cause, ValueError))
    if cause is not None:
        return False
    return error.path is None or not any(isinstance(node, FieldNode) for node in error.nodes or ())


def _innermost(error: GraphQLError) -> BaseException | None:
    cause: BaseException | None = error.original_error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    return cause
