"""The whole API: its roots, and how it is made into a schema."""

from collections.abc import Iterator
from typing import TypeVar

import strawberry
from graphql import GraphQLObjectType
from strawberry.schema.config import StrawberryConfig
from strawberry.schema_directive import StrawberrySchemaDirective
from strawberry.types.field import StrawberryField

from schema.accounts import Account
from schema.alerts import SystemAlert
from schema.answers import Answer
from schema.holds import Hold
from schema.keys import ApiKey
from schema.ledger import LedgerEntry
from schema.mutation import Mutation
from schema.payments import Payment
from schema.permissions import Auth, RoleRequired
from schema.problems import HANDLERS
from schema.query import Query
from schema.scalars import SCALARS
from schema.subscription import Subscription
from schema.usage import UsageRecord

Served = TypeVar("Served", bound=strawberry.Schema)


def build(kind: type[Served]) -> Served:
    """The schema as one of this kind: the shell serves it with limits and gates of its own."""
    schema = kind(
        query=Query,
        mutation=Mutation,
        types=[
            Account,
            Answer,
            ApiKey,
            Hold,
            LedgerEntry,
            Payment,
            SystemAlert,
            UsageRecord,
            Auth,
        ],
        subscription=Subscription,
        config=StrawberryConfig(scalar_map=SCALARS, disable_field_suggestions=True),
        exception_handlers=HANDLERS,
    )
    for field in fields_of(schema):
        _print_permissions(field)
    _describe_arguments(schema)
    return schema


def fields_of(schema: strawberry.Schema) -> Iterator[StrawberryField]:
    """Every field of every object."""
    for kind in schema._schema.type_map.values():  # noqa: SLF001 - there is no public way
        if isinstance(kind, GraphQLObjectType):
            for field in kind.fields.values():
                definition = field.extensions.get("strawberry-definition")
                if isinstance(definition, StrawberryField):
                    yield definition


def _print_permissions(field: StrawberryField) -> None:
    """State who may use a field. Strawberry does so only for permissions it is given otherwise."""
    for permission in field.permission_classes:
        if issubclass(permission, RoleRequired) and permission.printed() not in field.directives:
            field.directives.append(permission.printed())


def _describe_arguments(schema: strawberry.Schema) -> None:
    """Give the arguments of directives their descriptions, which Strawberry forgets."""
    for directive in schema._schema.directives:  # noqa: SLF001 - there is no public way
        definition = directive.extensions.get("strawberry-definition")
        if isinstance(definition, StrawberrySchemaDirective):
            for field in definition.fields:
                directive.args[field.name].description = field.description


def printed() -> str:
    """The contract, as published in schema/api.graphql."""
    return build(strawberry.Schema).as_str() + "\n"
