"""Whether this process is traced, which OpenTelemetry's own variables say."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from app.settings import UnsafeSettings
from domain.tracing import TRACING

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_OURS: Final = "http/protobuf"


def is_wanted(environment: Mapping[str, str]) -> bool:
    """Whether the variables say where traces go. Raises UnsafeSettings for a way we do not know."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if environment.get("OTEL_TRACES_EXPORTER", "otlp") != "otlp":
        return False
    if not any(environment.get(name) for name in ENDPOINTS):
        return False
    protocol = next((value for name in _PROTOCOLS if (value := environment.get(name))), _OURS)
    if protocol != _OURS:
        raise UnsafeSettings(
            f"OTEL_EXPORTER_OTLP_PROTOCOL: traces are sent by {_OURS} and not by {protocol}. "
            "Collectors take it at port 4318."
        )
    return True


@asynccontextmanager
async def traced() -> AsyncIterator[None]:
    """Collect spans of this task, and of all that is begun in it, until this is left.

    To be entered in the process that is traced: what sends them is a thread, which no fork has.
    Raises UnsafeSettings.
    """
    if not is_wanted(os.environ):
        yield
        return
    try:
        # Only here, so that nobody else imports it.
        from adapters.open_telemetry import OpenTelemetry  # noqa: PLC0415
    except ImportError as error:
        raise UnsafeSettings(
            "OTEL_EXPORTER_OTLP_ENDPOINT says where traces go, and what sends them is not "
            "installed: pip install --require-hashes -r requirements-otel.lock"
        ) from error
    tracing = OpenTelemetry.by_environment(os.environ)
    TRACING.set(tracing)
    try:
        yield
    finally:
        TRACING.set(None)
        await asyncio.to_thread(tracing.end)
