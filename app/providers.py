"""Who answers: the operator's providers, a small model on this machine, or a simulation."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from adapters.models.routes import read_routes, route_from_settings
from adapters.models.routing import RoutedProvider
from adapters.models.simulated import SimulatedProvider
from adapters.models.small import small_model
from app.settings import Settings, named


class OwnModel(StrEnum):
    """A model that needs no provider."""

    SMALL = "small"


@dataclass(frozen=True, slots=True)
class Answering:
    """A provider, and who that is in words for the operator."""

    provider: RoutedProvider
    told: str


@contextmanager
def answering(settings: Settings, own_model: OwnModel | None = None) -> Iterator[Answering]:
    """The provider these settings name. Its connections are opened when they are needed.

    Raises SettingsFileError or SmallModelMissing.
    """
    if own_model is OwnModel.SMALL:
        with small_model() as route:
            yield Answering(
                RoutedProvider.over_network([route]), "SmolLM2 135M, a toy on this machine"
            )
        return
    if settings.ai_routes_file is not None:
        # The file names the variables that hold its keys, which only it can know.
        with named("AI_ROUTES_FILE"):
            routes = read_routes(settings.ai_routes_file, os.environ)
    elif settings.has_provider:
        key = settings.ai_api_key.get_secret_value().strip() if settings.ai_api_key else ""
        routes = (
            route_from_settings(
                base_url=settings.ai_base_url,
                api_key=key,
                private_network=settings.ai_private_network,
            ),
        )
    else:
        yield Answering(
            RoutedProvider.in_process(SimulatedProvider()),
            "simulated, until AI_API_KEY names a provider",
        )
        return
    names = ", ".join(f"{route.name} at {route.base_url}" for route in routes)
    yield Answering(RoutedProvider.over_network(routes), names)
