"""Objects that can be found again by their id."""

import strawberry


@strawberry.interface(description="An object with a global id.")
class Node:
    id: strawberry.ID
