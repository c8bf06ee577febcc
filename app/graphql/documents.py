"""Documents read once: parsed, validated and measured, then kept for the next request.

A client sends the same few documents over and over with other variables, and reading one costs
several times what running it does. So there is one cache from text to all that can be known
without the request. It holds a bounded number of documents of bounded length, so unknown ones
cannot fill the memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    parse,
    specified_rules,
    validate,
)
from graphql.validation.rules import overlapping_fields_can_be_merged as merging
from graphql.validation.validate import ValidationAbortedError
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from app.errors import RequestCode
from app.graphql.gate import Requirements, requirements
from app.graphql.limits import Limits
from app.graphql.outline import Outline, outline, page_size

# The largest document that is kept takes about 0.5 MB once parsed, a usual one 15 kB.
DOCUMENTS_KEPT_MAX = 128
KEPT_CHARACTERS_MAX = 4_096

# What comparing fields of one name with each other may take. graphql-core would spend most of a
# second on one document, in which a process answers nobody else; what apps send takes some hundred.
merging.MAX_COMPLEXITY_BUDGET = 10_000

TOKENS_PER_POINT = 20
_ABORTED = "Validation aborted."
_TOO_LONG_TO_CHECK = "Asks for the same fields or fragments too often. Ask for each of them once."

_RULES = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A document with what is wrong with it, or else with the size of each operation in it."""

    document: DocumentNode
    errors: tuple[GraphQLError, ...]
    outlines: Mapping[str | None, tuple[OperationDefinitionNode, Outline]]

    @property
    def points(self) -> int:
        """What reading it costs, whatever comes of it: a long one is work even if it is refused."""
        return self.document.token_count // TOKENS_PER_POINT

    def name_of_operation(self, given: str | None) -> str | None:
        """The name of the operation that is meant; raises GraphQLError where several could be."""
        if given is not None or len(self.outlines) == 0:
            return given
        if len(self.outlines) > 1:
            raise GraphQLError(
                "The document has several operations: say which by operationName.",
                extensions={"code": RequestCode.INVALID_DOCUMENT},
            )
        return next(iter(self.outlines))


class Documents:
    """The documents of one schema under one set of limits."""

    def __init__(self, schema: GraphQLSchema, limits: Limits) -> None:
        self.limits = limits
        self.required: Requirements = requirements(schema)
        self._schema = schema
        self._kept = lru_cache(maxsize=DOCUMENTS_KEPT_MAX)(self._prepare)
        self._kept_points = lru_cache(maxsize=DOCUMENTS_KEPT_MAX)(self._points)

    def prepare(self, text: str) -> Prepared:
        """Read a document; raises GraphQLSyntaxError when it cannot be parsed."""
        return self._kept(text) if len(text) <= KEPT_CHARACTERS_MAX else self._prepare(text)

    def points(self, prepared: Prepared, name: str | None, variables: Mapping[str, object]) -> int:
        """What an operation costs with these variables."""
        _, measured = prepared.outlines[name]
        if not measured.page_variables:
            return measured.points
        given = sorted(measured.page_variables & variables.keys())
        sizes = tuple((page, page_size(variables[page])) for page in given)
        return self._kept_points(prepared, name, sizes)

    def points_unread(self, text: str) -> int:
        """What it costs to have tried to read a document that cannot be parsed."""
        return min(len(text), self.limits.tokens) // TOKENS_PER_POINT

    def _points(
        self, prepared: Prepared, name: str | None, sizes: tuple[tuple[str, int], ...]
    ) -> int:
        operation, _ = prepared.outlines[name]
        measured = outline(
            self._schema, prepared.document, operation, self.limits.prices, dict(sizes)
        )
        return measured.points

    def _prepare(self, text: str) -> Prepared:
        document = parse(text, max_tokens=self.limits.tokens)
        errors = validate(
            self._schema, document, _RULES, max_errors=self.limits.errors, hide_suggestions=True
        )
        if errors:
            return Prepared(document, tuple(_invalid(error) for error in errors), {})
        return Prepared(document, (), self._outlines(document))

    def _outlines(
        self, document: DocumentNode
    ) -> dict[str | None, tuple[OperationDefinitionNode, Outline]]:
        return {
            node.name.value if node.name else None: (
                node,
                outline(self._schema, document, node, self.limits.prices),
            )
            for node in document.definitions
            if isinstance(node, OperationDefinitionNode)
        }


def _invalid(error: GraphQLError) -> GraphQLError:
    if isinstance(error, ValidationAbortedError) and error.message == _ABORTED:
        return GraphQLError(_TOO_LONG_TO_CHECK, extensions={"code": RequestCode.TOO_EXPENSIVE})
    return GraphQLError(
        error.message, error.nodes, extensions={"code": RequestCode.INVALID_DOCUMENT}
    )
