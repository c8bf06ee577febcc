"""What one request may ask for at most."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from graphql import OperationType

from app.graphql.outline import Outline

# Each of these reads the roll-ups once more.
BREAKDOWN_POINTS = 20
_BREAKDOWNS = ("UsageSummary.buckets", "UsageSummary.byModel", "UsageSummary.byApiKey")

# Each of these is a try at somebody's identity: many in one request would be a way round the
# limits per address.
IDENTITY_MUTATIONS = frozenset(
    {
        "signUp",
        "signIn",
        "requestMagicLink",
        "redeemMagicLink",
        "signInWithGoogle",
        "startDemoSession",
        "refreshSession",
        "setPassword",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes past which a request is refused; the defaults leave every documented one room."""

    tokens: int = 2_000
    errors: int = 5
    depth: int = 10
    aliases: int = 30
    root_fields: int = 20
    mutations: int = 5
    points: int = 1_000
    identity_mutations: frozenset[str] = IDENTITY_MUTATIONS
    prices: Mapping[str, int] = field(
        default_factory=lambda: MappingProxyType(dict.fromkeys(_BREAKDOWNS, BREAKDOWN_POINTS))
    )
    is_introspection_open: bool = False
    """Whether everybody may ask for the schema, and not administrators only."""

    def excess(self, outline: Outline) -> str | None:
        """What is too much about an operation, in words that say how to make it less."""
        roots = outline.roots.total()
        if outline.depth > self.depth:
            return f"Nests {outline.depth} fields deep; {self.depth} is the most."
        if outline.aliases > self.aliases:
            return f"Uses {outline.aliases} aliases; {self.aliases} is the most."
        if roots > self.root_fields:
            return f"Asks for {roots} root fields; {self.root_fields} is the most."
        if outline.kind is OperationType.MUTATION:
            return self._excess_of_mutations(outline, roots)
        return None

    def _excess_of_mutations(self, outline: Outline, roots: int) -> str | None:
        if roots > self.mutations:
            return f"Makes {roots} changes at once; {self.mutations} is the most."
        tries = sum(outline.roots[name] for name in self.identity_mutations)
        if tries > 1:
            return f"Signs in or up {tries} times at once; send one request for each."
        return None

    def excess_of_points(self, points: int) -> str | None:
        """Why these points are too many, or None."""
        if points <= self.points:
            return None
        return (
            f"Costs {points} points; {self.points} is the most. "
            "Ask for smaller pages (first) or fewer nested objects."
        )
