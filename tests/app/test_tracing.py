"""Traces are sent where OpenTelemetry's own variables say, or nowhere."""

from collections.abc import Mapping

import pytest

from app.settings import UnsafeSettings
from app.tracing import is_wanted
from domain.tracing import TRACING, UNTRACED, note, span

HERE = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "ours"}, False),
        (HERE, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({**HERE, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, True),
        ({**HERE, "OTEL_TRACES_EXPORTER": "none"}, False),
        ({**HERE, "OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_an_endpoint_is_what_turns_traces_on(
    environment: Mapping[str, str], *, wanted: bool
) -> None:
    assert is_wanted(environment) is wanted


def test_a_way_that_is_not_ours_is_told_at_the_start() -> None:
    with pytest.raises(UnsafeSettings, match="not by grpc"):
        is_wanted({**HERE, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})


def test_a_span_that_nobody_wants_is_nothing() -> None:
    assert TRACING.get() is None
    assert span("anything", {"a": 1}) is UNTRACED
    note({"b": 2})
