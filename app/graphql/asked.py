"""What a request asks, read strictly from its body or its address."""

from collections.abc import Callable, Mapping
from json import JSONDecodeError

from strawberry.http import GraphQLRequestData

from app.errors import Refused

Decode = Callable[[str | bytes], object]


def asked_in_body(body: bytes, decode: Decode) -> GraphQLRequestData:
    """Read a JSON body; raises `Refused` for anything but one object with a query in it."""
    match _decoded(body, decode, "The body"):
        case dict() as given:
            return _asked(given)
        case list():
            raise Refused("Send one operation a request: batches are not served.")
        case _:
            raise Refused('Send a JSON object such as {"query": "{ __typename }"}.')


def asked_in_url(parameters: Mapping[str, object], decode: Decode) -> GraphQLRequestData:
    """Read the parameters of an address; an empty one counts as left out."""
    given = {name: value for name, value in parameters.items() if value}
    for name in ("variables", "extensions"):
        match given.get(name):
            case str() as text:
                given[name] = _decoded(text, decode, name)
            case _:
                pass
    return _asked(given)


def _decoded(text: str | bytes, decode: Decode, what: str) -> object:
    try:
        return decode(text)
    except JSONDecodeError as error:
        raise Refused(f"{what} is not JSON that can be read: {error.msg}.") from None


def _asked(given: Mapping[str, object]) -> GraphQLRequestData:
    query, name = given.get("query"), given.get("operationName")
    if not isinstance(query, str) or not query:
        raise Refused("Send the GraphQL document as a string in `query`.")
    if not isinstance(name, str | None):
        raise Refused("`operationName` is a string or null.")
    return GraphQLRequestData(
        query=query,
        variables=_object(given, "variables"),
        operation_name=name or None,
        extensions=_object(given, "extensions"),
    )


def _object(given: Mapping[str, object], name: str) -> dict[str, object] | None:
    match given.get(name):
        case None:
            return None
        case dict() as value:
            return value
        case _:
            raise Refused(f"`{name}` is an object or null.")
