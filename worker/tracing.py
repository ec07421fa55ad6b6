"""OpenTelemetry traces: a request, the attempts of the job that it made, the stages of each, under one trace id.

Nothing is traced, and nothing of OpenTelemetry imported, unless `OTEL_EXPORTER_OTLP_ENDPOINT` is set; the extra
`ldnas[tracing]` brings what is needed then. A span's place travels as W3C `traceparent`: in the job's row from the
request to the worker, and in the runner's environment from there.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
PARENT = "TRACEPARENT"
"""The variable by which a runner is told where its worker is."""


class Span(Protocol):
    """What is done with a span here."""

    def set_attribute(self, key: str, value: Any) -> None: ...
    def update_name(self, name: str) -> None: ...


class _NoSpan:
    def set_attribute(self, key: str, value: Any) -> None:
        """Nothing."""

    def update_name(self, name: str) -> None:
        """Nothing."""


_tracer: Any = None


def configure_tracing(process: str, environ: Mapping[str, str] = os.environ, exporter: Any = None) -> Any:
    """Have this process send its spans where `OTEL_EXPORTER_OTLP_ENDPOINT` says; its provider, None without one.

    Args:
        process: the last part of the service's name, as `api`.
        environ: the variables of the process; OpenTelemetry's own are read by its library.
        exporter: takes the spans in place of the endpoint.
    """
    global _tracer
    if exporter is None and not environ.get(ENDPOINT, "").strip():
        return None
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    if exporter is None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        exporter = OTLPSpanExporter()
    provider = TracerProvider(resource=Resource.create({"service.name": f"ldnas-{process}"}))
    provider.add_span_processor(BatchSpanProcessor(exporter))  # flushed when the process ends in order
    _tracer = provider.get_tracer("ldnas")
    return provider


def stop_tracing() -> None:
    """No more spans from this process."""
    global _tracer
    _tracer = None


@contextmanager
def span(name: str, parent: str | None = None, **attributes: Any) -> Iterator[Span]:
    """A span around the block: below `parent` (a traceparent) where one is given, else below the one around it.

    An exception that leaves the block is recorded, and marks the span as failed.
    """
    if _tracer is None:
        yield _NoSpan()
        return
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    context = TraceContextTextMapPropagator().extract({"traceparent": parent}) if parent else None
    told = {f"ldnas.{key}": value for key, value in attributes.items() if value is not None}
    with _tracer.start_as_current_span(name, context=context, attributes=told) as current:
        yield current


def traceparent() -> str | None:
    """Where we are, for another process to go on from; None where nothing is traced."""
    if _tracer is None:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent")
