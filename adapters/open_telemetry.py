"""Spans in OpenTelemetry's form, sent by OTLP over HTTP to where the standard variables say.

Imported only where traces are wanted: the SDK is an extra, and takes memory and time to import.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Self

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    Link,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    format_span_id,
    format_trace_id,
    get_current_span,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from domain.tracing import Told

_SECONDS_TO_SEND_MAX = 5_000
_CALLERS = TraceContextTextMapPropagator()


class OpenTelemetry:
    """Collects spans and sends them in the background; see `domain.tracing.Tracing`."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer: Tracer = provider.get_tracer("tallystick", version("tallystick"))

    @classmethod
    def by_environment(cls, environment: Mapping[str, str]) -> Self:
        """As the OTEL_ variables say; called Tallystick, unless they name it."""
        given = {} if "OTEL_SERVICE_NAME" in environment else {"service.name": "tallystick"}
        resource = Resource.create({**given, "service.version": version("tallystick")})
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        return cls(provider)

    def end(self) -> None:
        """Send what is left; waits for the network, but not for long."""
        self._provider.force_flush(_SECONDS_TO_SEND_MAX)
        self._provider.shutdown()

    @contextmanager
    def span(self, name: str, told: Told) -> Iterator[None]:
        with self._going(name, told, kind=SpanKind.INTERNAL):
            yield

    @contextmanager
    def request(self, name: str, told: Told, *, traceparent: str | None) -> Iterator[None]:
        carrier = {} if traceparent is None else {"traceparent": traceparent}
        parent = _CALLERS.extract(carrier, context=Context())
        with self._going(name, told, kind=SpanKind.SERVER, parent=parent):
            yield

    @contextmanager
    def shared(self, name: str, told: Told, *, of: Sequence[object | None]) -> Iterator[None]:
        links = [Link(each) for each in of if isinstance(each, SpanContext) and each.is_valid]
        with self._going(name, told, kind=SpanKind.INTERNAL, parent=Context(), links=links):
            yield

    def note(self, told: Told, *, name: str | None = None) -> None:
        span = get_current_span()
        span.set_attributes(told)
        if name is not None:
            span.update_name(name)

    def here(self) -> object | None:
        return get_current_span().get_span_context()

    def ids(self) -> Mapping[str, str]:
        context = get_current_span().get_span_context()
        if not context.is_valid:
            return {}
        return {
            "trace_id": format_trace_id(context.trace_id),
            "span_id": format_span_id(context.span_id),
        }

    @contextmanager
    def _going(
        self,
        name: str,
        told: Told,
        *,
        kind: SpanKind,
        parent: Context | None = None,
        links: Sequence[Link] = (),
    ) -> Iterator[None]:
        """An exception's words may be anybody's, so a span tells its kind alone."""
        with self._tracer.start_as_current_span(
            name,
            context=parent,
            kind=kind,
            attributes=told,
            links=links,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except BaseException as error:
                kind_of_error = type(error).__qualname__
                span.set_attribute("error.type", kind_of_error)
                span.set_status(Status(StatusCode.ERROR, kind_of_error))
                raise
