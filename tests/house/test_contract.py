"""The API is the one that was promised: what is built equals the contract, and nothing is extra."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import strawberry
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    StringValueNode,
    Visitor,
    build_schema,
    parse,
    print_ast,
    visit,
)

from domain.errors import ProblemCode
from schema import problems, root
from schema.permissions import RoleRequired

HERE = Path(__file__).parent
PUBLISHED = HERE.parents[1] / "schema" / "api.graphql"
PROMISE = (HERE / "contract_v1.graphql").read_text(encoding="utf-8")
PROMISED = build_schema(PROMISE)
BUILT = build_schema(root.printed())

Member = GraphQLField | GraphQLInputField | GraphQLArgument


def types_of(schema: GraphQLSchema) -> dict[str, GraphQLNamedType]:
    return {n: kind for n, kind in schema.type_map.items() if not n.startswith("__")}


def members(schema: GraphQLSchema) -> Iterator[tuple[str, Member]]:
    """Every field and every argument, by where it is."""
    for kind in types_of(schema).values():
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            for name, field in kind.fields.items():
                yield f"{kind.name}.{name}", field
                for argument_name, argument in getattr(field, "args", {}).items():
                    yield f"{kind.name}.{name}({argument_name})", argument


def directives_of(member: Member) -> list[str]:
    node = member.ast_node
    return [print_ast(directive) for directive in (node.directives or ())] if node else []


def said_of(member: Member) -> dict[str, object]:
    return {
        "type": str(member.type),
        "description": member.description,
        "directives": directives_of(member),
        "default": getattr(member, "default_value", None),
        "deprecation": member.deprecation_reason,
    }


def said_of_type(kind: GraphQLNamedType) -> dict[str, object]:
    """Everything but its fields."""
    said: dict[str, object] = {"kind": type(kind).__name__, "description": kind.description}
    match kind:
        case GraphQLObjectType():
            said["interfaces"] = [interface.name for interface in kind.interfaces]
        case GraphQLEnumType():
            said["values"] = {word: value.description for word, value in kind.values.items()}
        case GraphQLUnionType():
            said["members"] = [member.name for member in kind.types]
        case _:
            pass
    return said


def objects(schema: GraphQLSchema) -> Iterator[GraphQLObjectType]:
    return (kind for kind in types_of(schema).values() if isinstance(kind, GraphQLObjectType))


BUILT_MEMBERS = dict(members(BUILT))
PROMISED_MEMBERS = dict(members(PROMISED))
ROOT_FIELDS = [
    place
    for place in BUILT_MEMBERS
    if place.startswith(("Query.", "Mutation.")) and "(" not in place
]


def test_the_published_contract_is_the_one_we_serve() -> None:
    assert PUBLISHED.read_text(encoding="utf-8") == root.printed(), "run `make contract`"


def test_all_that_was_promised_is_built_and_nothing_else() -> None:
    assert types_of(BUILT).keys() == types_of(PROMISED).keys()
    assert BUILT_MEMBERS.keys() == PROMISED_MEMBERS.keys()


def test_the_printed_contract_is_the_promised_one_word_for_word() -> None:
    built, promised = definitions(root.printed()), definitions(PROMISE)

    assert built == promised


def definitions(schema: str) -> dict[str, list[str]]:
    """Each definition's first line and its members, printed in one way, whatever their order."""
    document = visit(parse(schema, no_location=True), InBlocks())
    found: dict[str, list[str]] = {}
    for node in document.definitions:
        members = [
            print_ast(member)
            for name in ("fields", "values", "types", "arguments", "locations", "operation_types")
            for member in getattr(node, name, None) or ()
        ]
        about = getattr(node, "description", None)
        name = getattr(node, "name", None)
        if name is not None:  # roots that are called as usual need not be named
            said = "" if about is None else about.value
            found[name.value] = [node.kind, said, *sorted(members)]
    return found


class InBlocks(Visitor):
    """Writes every text as a block, since both ways of writing one mean the same."""

    def leave_string_value(self, node: StringValueNode, *_: object) -> StringValueNode:
        return StringValueNode(value=node.value, block=True)


def test_fields_and_arguments_are_what_was_promised() -> None:
    built = {place: said_of(member) for place, member in BUILT_MEMBERS.items()}
    promised = {place: said_of(PROMISED_MEMBERS[place]) for place in BUILT_MEMBERS}

    assert built == promised


def test_types_are_what_was_promised() -> None:
    built = {name: said_of_type(kind) for name, kind in types_of(BUILT).items()}
    promised = {name: said_of_type(PROMISED.type_map[name]) for name in types_of(BUILT)}

    assert built == promised


def test_the_directive_is_what_was_promised() -> None:
    built, promised = BUILT.get_directive("auth"), PROMISED.get_directive("auth")
    assert built is not None
    assert promised is not None

    assert built.description == promised.description
    assert {n: (str(a.type), a.description) for n, a in built.args.items()} == {
        n: (str(a.type), a.description) for n, a in promised.args.items()
    }


@pytest.mark.parametrize("place", ROOT_FIELDS)
def test_a_root_field_says_who_may_use_it_and_can_be_null(place: str) -> None:
    field = BUILT_MEMBERS[place]

    assert any(directive.startswith("@auth(") for directive in directives_of(field))
    assert not isinstance(field.type, GraphQLNonNull)


def test_whatever_can_be_followed_says_by_whom() -> None:
    places = [place for place in BUILT_MEMBERS if place.startswith("Subscription.")]

    for place in places:
        if "(" not in place:
            printed = directives_of(BUILT_MEMBERS[place])
            assert any(directive.startswith("@auth(") for directive in printed), place


def test_a_field_below_the_roots_that_needs_a_right_of_its_own_can_be_null() -> None:
    restricted = [
        place
        for place, field in BUILT_MEMBERS.items()
        if directives_of(field)
        and isinstance(field.type, GraphQLNonNull)
        and not place.startswith("Subscription.")
    ]

    assert restricted == []


def test_a_change_ends_in_a_success_or_a_problem() -> None:
    mutations = BUILT.mutation_type
    problem = BUILT.type_map["Problem"]
    assert mutations is not None
    assert isinstance(problem, GraphQLInterfaceType)

    for name, field in mutations.fields.items():
        result = field.type
        assert isinstance(result, GraphQLUnionType), name
        assert any(problem not in member.interfaces for member in result.types), name
        assert any(problem in member.interfaces for member in result.types), name


def test_every_kind_of_problem_is_made_from_some_error() -> None:
    problem = BUILT.type_map["Problem"]
    kinds = {kind.name for kind in objects(BUILT) if problem in kind.interfaces}

    assert {handler.error_type.__name__ for handler in problems.HANDLERS} == kinds


def test_every_code_has_its_status() -> None:
    promised = PROMISED.type_map["ProblemCode"]
    assert isinstance(promised, GraphQLEnumType)

    for code in ProblemCode:
        description = promised.values[code].description
        assert description is not None
        assert description.startswith(str(problems.STATUSES[code].value))


def test_everything_that_needs_a_right_is_guarded_while_it_runs() -> None:
    schema = root.build(strawberry.Schema)

    for field in root.fields_of(schema):
        printed = [directive for directive in field.directives if hasattr(directive, "requires")]
        guards = [
            guard.printed() for guard in field.permission_classes if issubclass(guard, RoleRequired)
        ]
        assert printed == guards, field.name
