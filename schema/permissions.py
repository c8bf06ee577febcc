"""Who may use a field: one class, one rule, printed in the contract as `@auth`."""

from typing import ClassVar

import strawberry
from strawberry.permission import BasePermission
from strawberry.schema_directive import Location

from domain.errors import AccessError, Forbidden, Unauthenticated
from domain.identity import Viewer
from domain.units import OWN_CREDITS
from schema.enums import Access, Scope
from schema.info import Info
from schema.lookups import Lookups


@strawberry.schema_directive(
    name="auth",
    locations=[Location.FIELD_DEFINITION],
    description=(
        "Who may use a field. Printed from the permission class that guards it, so this file is "
        "the\npermission matrix. Without `scope`, an API key is refused: the field needs a "
        "signed-in session."
    ),
)
class Auth:
    requires: Access = strawberry.field(name="requires", description="The least role needed.")
    scope: Scope | None = strawberry.field(
        name="scope",
        default=strawberry.UNSET,
        description="The scope an API key needs to use the field instead of a session.",
    )


class RoleRequired(BasePermission):
    """Lets through whoever has the role, or an API key that has the scope.

    Rights are looked at again for every field, so that whatever leads to one is guarded alike.
    What hangs below a session that was just started is seen by whom it signed in.
    """

    requires: ClassVar[Access]
    scope: ClassVar[Scope | None] = None

    @classmethod
    def printed(cls) -> Auth:
        """The rule as the contract states it."""
        return Auth(requires=cls.requires, scope=cls.scope or strawberry.UNSET)

    def has_permission(self, source: object, info: Info, **_: object) -> bool:
        refusal = self.refusal(_viewer(source, info))
        if refusal is not None:
            raise refusal
        return True

    @classmethod
    def refusal(cls, viewer: Viewer | None) -> AccessError | None:
        """Why this caller may not use the field, or None if it may."""
        if cls.requires is Access.PUBLIC:
            return None
        if viewer is None:
            return Unauthenticated()
        if viewer.api_key_number != OWN_CREDITS and cls.scope not in viewer.scopes:
            needed = f"the scope {cls.scope}" if cls.scope else "a signed-in session"
            return Forbidden(f"This API key does not reach this far: it needs {needed}.")
        if cls.requires is Access.ADMIN and not viewer.is_admin:
            return Forbidden()
        return None


def _viewer(source: object, info: Info) -> Viewer | None:
    lookups = getattr(source, "lookups", None)
    return lookups.context.viewer if isinstance(lookups, Lookups) else info.context.viewer


class IsPublic(RoleRequired):
    """Needs nothing."""

    requires = Access.PUBLIC


class IsUser(RoleRequired):
    """Needs a signed-in session."""

    requires = Access.USER


class CanRead(RoleRequired):
    """Needs a signed-in session, or an API key that may read."""

    requires = Access.USER
    scope = Scope.READ


class CanAsk(RoleRequired):
    """Needs a signed-in session, or an API key that may ask."""

    requires = Access.USER
    scope = Scope.ASK


class IsAdmin(RoleRequired):
    """Needs an administrator's signed-in session."""

    requires = Access.ADMIN
