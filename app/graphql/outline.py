"""How large an operation is, counted before it runs.

Every fragment is measured once, however often it is spread: its size is remembered and added
at each spread. Walking it again each time would take a document of a kilobyte, in which forty
fragments spread each other twice, longer than anybody can wait.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLArgument,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)

PAGE_MAX = 100
OBJECT_POINTS = 1
MUTATION_POINTS = 10


@dataclass(frozen=True, slots=True)
class Outline:
    """What one operation asks for, every fragment spread where it is used."""

    kind: OperationType
    roots: Counter[str]
    """The root fields by name, with how often each is asked for."""
    depth: int
    aliases: int
    introspects: bool
    points: int
    page_variables: frozenset[str]
    """The variables on which the points depend."""


@dataclass(frozen=True, slots=True)
class _Size:
    """The size of one field or of one selection."""

    depth: int = 0
    aliases: int = 0
    points: int = 0
    listed_points: int = 0
    """Points of those fields that are lists: a page has as many as its `first` says."""

    def beside(self, other: "_Size") -> "_Size":
        return _Size(
            max(self.depth, other.depth),
            self.aliases + other.aliases,
            self.points + other.points,
            self.listed_points + other.listed_points,
        )


_NOTHING = _Size()


@dataclass(slots=True)
class _Measuring:
    """One walk over one operation of a document that has passed validation."""

    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    prices: Mapping[str, int]
    page: Callable[[GraphQLArgument, ArgumentNode | None], int]
    introspects: bool = False
    sizes: dict[str, _Size] = field(default_factory=dict)
    roots: dict[str, Counter[str]] = field(default_factory=dict)

    def selection(self, chosen: SelectionSetNode, parent: GraphQLNamedType | None) -> _Size:
        size = _NOTHING
        for node in chosen.selections:
            match node:
                case FieldNode():
                    size = size.beside(self.field(node, parent))
                case FragmentSpreadNode():
                    size = size.beside(self.fragment(node.name.value))
                case InlineFragmentNode(type_condition=condition):
                    narrowed = self.schema.get_type(condition.name.value) if condition else parent
                    size = size.beside(self.selection(node.selection_set, narrowed))
                case _:
                    pass
        return size

    def fragment(self, name: str) -> _Size:
        if name not in self.sizes:
            fragment = self.fragments[name]
            condition = self.schema.get_type(fragment.type_condition.name.value)
            self.sizes[name] = self.selection(fragment.selection_set, condition)
        return self.sizes[name]

    def field(self, node: FieldNode, parent: GraphQLNamedType | None) -> _Size:
        name, aliases = node.name.value, int(node.alias is not None)
        if name.startswith("__"):
            # Only administrators see the schema, and graphql-core bounds how they ask for it.
            self.introspects |= name != "__typename"
            return _Size(1, aliases)
        if not isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
            return _Size(1, aliases)
        definition = parent.fields[name]
        inner = (
            self.selection(node.selection_set, get_named_type(definition.type))
            if node.selection_set
            else _NOTHING
        )
        points = self.own_points(definition, f"{parent.name}.{name}", parent)
        points += inner.points + inner.listed_points * self.items(definition, node)
        is_list = _is_list(definition)
        return _Size(
            depth=inner.depth + 1,
            aliases=inner.aliases + aliases,
            points=0 if is_list else points,
            listed_points=points if is_list else 0,
        )

    def own_points(
        self, definition: GraphQLField, coordinate: str, parent: GraphQLNamedType
    ) -> int:
        if parent is self.schema.mutation_type:
            return MUTATION_POINTS
        usual = 0 if is_leaf_type(get_named_type(definition.type)) else OBJECT_POINTS
        return self.prices.get(coordinate, usual)

    def items(self, definition: GraphQLField, node: FieldNode) -> int:
        argument = definition.args.get("first")
        if argument is None:
            return 1
        named = (given for given in node.arguments or () if given.name.value == "first")
        return self.page(argument, next(named, None))

    def root_names(self, chosen: SelectionSetNode) -> Counter[str]:
        names: Counter[str] = Counter()
        for node in chosen.selections:
            match node:
                case FieldNode():
                    names[node.name.value] += 1
                case FragmentSpreadNode():
                    names.update(self.fragment_roots(node.name.value))
                case InlineFragmentNode():
                    names.update(self.root_names(node.selection_set))
                case _:
                    pass
        return names

    def fragment_roots(self, name: str) -> Counter[str]:
        if name not in self.roots:
            self.roots[name] = self.root_names(self.fragments[name].selection_set)
        return self.roots[name]


def _is_list(definition: GraphQLField) -> bool:
    kind = definition.type
    return is_list_type(kind.of_type if is_non_null_type(kind) else kind)


@dataclass(slots=True)
class _Pages:
    """How many items a page may bring, when the variables are known and before."""

    operation: OperationDefinitionNode
    variables: Mapping[str, int] | None
    asked: set[str] = field(default_factory=set)

    def size(self, argument: GraphQLArgument, given: ArgumentNode | None) -> int:
        match given:
            case None:
                return page_size(argument.default_value)
            case ArgumentNode(value=IntValueNode(value=digits)):
                return page_size(int(digits))
            case ArgumentNode(value=VariableNode(name=name)):
                self.asked.add(name.value)
                return self.variable(name.value)
            case _:
                return PAGE_MAX

    def variable(self, name: str) -> int:
        if self.variables is None:
            return PAGE_MAX
        if name in self.variables:
            return self.variables[name]
        for definition in self.operation.variable_definitions or ():
            if definition.variable.name.value == name and isinstance(
                definition.default_value, IntValueNode
            ):
                return page_size(int(definition.default_value.value))
        return PAGE_MAX


def page_size(size: object) -> int:
    """How many items a `first` may bring.

    A page outside 1..100, or of a size that is no number, is refused by its field; it must not
    look cheap until then.
    """
    return max(1, min(size, PAGE_MAX)) if isinstance(size, int) else PAGE_MAX


def outline(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    prices: Mapping[str, int],
    variables: Mapping[str, int] | None = None,
) -> Outline:
    """Measure one operation of a valid document.

    Variables are those that say how large a page is; without them, such a page counts as the
    largest there is. Prices are the points of fields that cost more than an object, by
    `Type.field`.
    """
    fragments = {
        node.name.value: node
        for node in document.definitions
        if isinstance(node, FragmentDefinitionNode)
    }
    pages = _Pages(operation, variables)
    measuring = _Measuring(schema, fragments, prices, pages.size)
    root = schema.get_root_type(operation.operation)
    size = measuring.selection(operation.selection_set, root)
    return Outline(
        kind=operation.operation,
        roots=measuring.root_names(operation.selection_set),
        depth=size.depth,
        aliases=size.aliases,
        introspects=measuring.introspects,
        points=size.points + size.listed_points,
        page_variables=frozenset(pages.asked),
    )
