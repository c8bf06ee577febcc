"""Events of a stream answered without executing the operation again, where that changes nothing.

A piece of an answer has a handful of fields that are plain attributes. Executing the operation for
each piece takes several times as long as everything else on the piece's way, and always comes to
the same: these attributes, under these names. So the selection is read once, and as long as an
event has nothing else to show, its answer is put together directly.
"""

from collections.abc import Callable
from dataclasses import dataclass

from graphql import (
    Executor,
    FieldNode,
    GraphQLField,
    GraphQLObjectType,
    get_named_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)
from graphql.execution.collect_fields import FieldDetails, collect_fields, collect_subfields
from strawberry.types.field import StrawberryField

_Serialize = Callable[[object], object]


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A chosen field that is an attribute of the event."""

    key: str
    attribute: str
    serialize: _Serialize
    is_non_null: bool


@dataclass(frozen=True, slots=True)
class PlainEvents:
    """How to answer the events of one subscription that have nothing but plain fields to show."""

    key: str
    """Under which name the subscription's field is answered."""
    kind: type
    constants: dict[str, object]
    leaves: tuple[_Leaf, ...]
    absent: tuple[tuple[str, str], ...]
    """The chosen objects, which an event must not have, by name and attribute."""

    @classmethod
    def of(cls, executor: Executor[None]) -> "PlainEvents | None":
        """The short way for this operation; None when there is none."""
        root = executor.schema.subscription_type
        if root is None:
            return None
        chosen = collect_fields(
            executor.schema,
            executor.fragments,
            executor.variable_values,
            root,
            executor.operation,
        ).grouped_field_set
        if len(chosen) != 1:
            return None
        [(key, details)] = chosen.items()
        field = root.fields.get(details[0].node.name.value)
        event = None if field is None or is_list_type(_bare(field)) else get_named_type(field.type)
        if not isinstance(event, GraphQLObjectType):
            return None
        return _compiled(executor, key, event, details)

    def data(self, event: object) -> dict[str, object] | None:
        """What to answer to an event, or None when the operation has to be executed for it."""
        if type(event) is not self.kind:
            return None
        for _, attribute in self.absent:
            if getattr(event, attribute) is not None:
                return None
        shown = dict(self.constants)
        for leaf in self.leaves:
            value = getattr(event, leaf.attribute)
            if value is not None:
                shown[leaf.key] = leaf.serialize(value)
            elif leaf.is_non_null:
                return None
        return {self.key: shown}


def _compiled(
    executor: Executor[None], key: str, event: GraphQLObjectType, details: list[FieldDetails]
) -> PlainEvents | None:
    definition = event.extensions.get("strawberry-definition")
    kind = getattr(definition, "origin", None)
    if not isinstance(kind, type):
        return None
    # The order of the names is that of the selection, as if it had been executed.
    constants: dict[str, object] = {}
    leaves: list[_Leaf] = []
    absent: list[tuple[str, str]] = []
    for name, node in _fields(executor, event, details):
        constants[name] = None
        if node.name.value == "__typename":
            constants[name] = event.name
            continue
        field = event.fields[node.name.value]
        attribute = _attribute(field)
        if attribute is None:
            return None
        leaf = get_named_type(field.type)
        if is_leaf_type(leaf) and not is_list_type(_bare(field)):
            leaves.append(_Leaf(name, attribute, leaf.serialize, is_non_null_type(field.type)))
        elif is_non_null_type(field.type):
            return None
        else:
            absent.append((name, attribute))
    return PlainEvents(key, kind, constants, tuple(leaves), tuple(absent))


def _fields(
    executor: Executor[None], event: GraphQLObjectType, details: list[FieldDetails]
) -> list[tuple[str, FieldNode]]:
    chosen = collect_subfields(
        executor.schema,
        executor.fragments,
        executor.variable_values,
        executor.operation,
        event,
        details,
    ).grouped_field_set
    return [(name, fields[0].node) for name, fields in chosen.items()]


def _attribute(field: GraphQLField) -> str | None:
    """The attribute a field is read from; None when there is more to it than reading."""
    definition = field.extensions.get("strawberry-definition")
    if not isinstance(definition, StrawberryField) or field.args:
        return None
    if definition.base_resolver or definition.permission_classes or definition.extensions:
        return None
    return definition.python_name


def _bare(field: GraphQLField) -> object:
    return field.type.of_type if is_non_null_type(field.type) else field.type
