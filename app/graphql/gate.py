"""Whether a caller can have any of what a request asks for, told before anything runs.

Every field checks its own right while it runs, so a request that mixes fields gets those it may
have. A request with none of them is refused whole, with 401 or 403 instead of a page of errors.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal, Protocol, runtime_checkable

from graphql import GraphQLField, GraphQLSchema, OperationType
from strawberry.types.field import StrawberryField

from domain.errors import AccessError, Forbidden, Unauthenticated
from domain.identity import Viewer
from domain.units import OWN_CREDITS

Access = Literal["PUBLIC", "USER", "ADMIN"]


@runtime_checkable
class Guard(Protocol):
    """A permission class that says what it requires, in words or as members of an enum."""

    requires: object
    scope: object


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a field asks of its caller, as printed in `@auth`."""

    access: Access
    scope: str | None = None

    def refusal(self, viewer: Viewer | None) -> AccessError | None:
        """Why this caller may not use the field, or None if it may."""
        if self.access == "PUBLIC":
            return None
        if viewer is None:
            return Unauthenticated()
        is_session = viewer.api_key_number == OWN_CREDITS
        if not is_session and self.scope not in viewer.scopes:
            needed = f"the scope {self.scope}" if self.scope else "a signed-in session"
            return Forbidden(f"This API key does not reach this far: it needs {needed}.")
        if self.access == "ADMIN" and not viewer.is_admin:
            return Forbidden()
        return None


Requirements = Mapping[OperationType, Mapping[str, Requirement]]
_OPEN = Requirement("PUBLIC")


def requirement(field: GraphQLField) -> Requirement:
    """What the permission classes of a field require; a field without any is open.

    An unknown word for access is a mistake of ours, and the strictest reading is the safe one.
    """
    definition = field.extensions.get("strawberry-definition")
    if not isinstance(definition, StrawberryField):
        return _OPEN
    permissions: Sequence[object] = definition.permission_classes
    for permission in permissions:
        if isinstance(permission, Guard):
            scope = None if permission.scope is None else _word(permission.scope)
            match _word(permission.requires):
                case "PUBLIC" | "USER" as access:
                    return Requirement(access, scope)
                case _:
                    return Requirement("ADMIN", scope)
    return _OPEN


def _word(value: object) -> str:
    return str(value.value if isinstance(value, Enum) else value)


def requirements(schema: GraphQLSchema) -> Requirements:
    """The requirement of every root field, by kind of operation and name."""
    return {
        kind: {name: requirement(field) for name, field in root.fields.items()}
        for kind in OperationType
        if (root := schema.get_root_type(kind)) is not None
    }


def refusal(
    required: Mapping[str, Requirement], roots: Iterable[str], viewer: Viewer | None
) -> AccessError | None:
    """The refusal of the whole request: only when every root field in it is refused."""
    refusals = [required[name].refusal(viewer) for name in roots if not name.startswith("__")]
    if not refusals or any(refused is None for refused in refusals):
        return None
    return refusals[0]
