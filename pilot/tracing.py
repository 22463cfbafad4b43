"""One trace from an HTTP request through the workflow to its activities.

OpenTelemetry makes the spans, Temporal's own interceptor carries them: from the client that
starts a run, in headers, to workflow code (whose spans are made only when it is not replaying)
and on to each activity. They go to OTEL_EXPORTER_OTLP_ENDPOINT and, as transactions, to
SENTRY_DSN, whichever is set; with neither nothing of this is imported.

A span holds ids and names, never data: what an exception says is left out.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pilot import __version__
from pilot.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer
    from temporalio.client import Interceptor

_provider: TracerProvider | None = None


def is_on() -> bool:
    return _provider is not None


def init(settings: Settings, component: str) -> None:
    """Begins to trace, where there is somewhere to send it. `component` is `api` or `worker`;
    Sentry must have begun before."""
    global _provider  # noqa: PLW0603
    endpoint, dsn = settings.otel_exporter_otlp_endpoint, settings.sentry_dsn
    if (endpoint is None and dsn is None) or not settings.pilot_traces_sample_rate:
        return
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import SpanLimits, TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio  # noqa: PLC0415

    _provider = TracerProvider(
        resource=Resource.create(
            {
                "service.name": f"pilot-{component}",
                "service.version": __version__,
                "deployment.environment.name": settings.sentry_environment or settings.pilot_env,
            }
        ),
        sampler=ParentBasedTraceIdRatio(settings.pilot_traces_sample_rate),
        # an event of a span is an exception, with its text
        span_limits=SpanLimits(max_events=0),
    )
    if endpoint is not None:
        _export(_provider, endpoint)
    if dsn is not None:
        from sentry_sdk.integrations.opentelemetry import SentrySpanProcessor  # noqa: PLC0415

        _provider.add_span_processor(SentrySpanProcessor())


def _export(provider: TracerProvider, endpoint: str) -> None:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.trace import ReadableSpan  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import (  # noqa: PLC0415
        BatchSpanProcessor,
        SpanExportResult,
    )
    from opentelemetry.trace import Status  # noqa: PLC0415

    class Discreet(OTLPSpanExporter):
        """Leaves out what a status says: it is an exception's text."""

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            return super().export([_without_text(span) for span in spans])

    def _without_text(span: ReadableSpan) -> ReadableSpan:
        if span.status.description is None:
            return span
        return ReadableSpan(
            name=span.name,
            context=span.context,
            parent=span.parent,
            resource=span.resource,
            attributes=span.attributes,
            links=span.links,
            kind=span.kind,
            status=Status(span.status.status_code),
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=span.instrumentation_scope,
        )

    url = f"{endpoint.rstrip('/')}/v1/traces"
    provider.add_span_processor(BatchSpanProcessor(Discreet(endpoint=url)))


def tracer() -> Tracer:
    """Of a process that traces."""
    assert _provider is not None
    return _provider.get_tracer("pilot", __version__)


def interceptors() -> list[Interceptor]:
    """For Temporal's clients, whose workers take them over."""
    if _provider is None:
        return []
    from temporalio.contrib.opentelemetry import TracingInterceptor  # noqa: PLC0415

    return [TracingInterceptor(tracer())]


def describe(**attributes: str | int) -> None:
    """Adds ids to the span that is current here."""
    if _provider is not None:
        _trace().get_current_span().set_attributes(attributes)


def current() -> tuple[str, str] | None:
    """The trace's and the span's id, in hex; None outside of any."""
    if _provider is None:
        return None
    context = _trace().get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


def _trace() -> Any:
    # not an import: this runs in workflow code too
    return sys.modules["opentelemetry.trace"]
