"""OpenTelemetry traces: a request, the attempts of its job, the stages of each attempt, under one trace id.

Nothing is traced, and OpenTelemetry is not imported, unless `OTEL_EXPORTER_OTLP_ENDPOINT` is set; this needs the extra
`ldnas[tracing]`. The parent span is passed on as W3C `traceparent`: in the job's row from the request to the worker,
and from there in the runner's environment.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, Protocol

from worker.errors import SettingsError

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_PACKAGES = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http")
PARENT = "TRACEPARENT"
"""The environment variable with the worker's span for its runner."""


class Span(Protocol):
    """The methods of a span that this program uses."""

    def set_attribute(self, key: str, value: Any) -> None: ...
    def update_name(self, name: str) -> None: ...


class _NoSpan:
    def set_attribute(self, key: str, value: Any) -> None:
        """Nothing."""

    def update_name(self, name: str) -> None:
        """Nothing."""


_tracer: Any = None


def configure_tracing(process: str, environ: Mapping[str, str] = os.environ, exporter: Any = None) -> Any:
    """Make this process send its spans to `OTEL_EXPORTER_OTLP_ENDPOINT`; return the provider, None without an endpoint.

    Args:
        process: the last part of the service's name, such as `api`.
        environ: the variables of the process; OpenTelemetry's own are read by its library.
        exporter: receives the spans in place of the endpoint.

    Raises:
        SettingsError: an endpoint is set, and OpenTelemetry is not installed.
    """
    global _tracer
    if exporter is None:
        require_tracing(environ)
        if not environ.get(ENDPOINT, "").strip():
            return None
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    if exporter is None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        exporter = OTLPSpanExporter()
    provider = TracerProvider(resource=Resource.create({"service.name": f"ldnas-{process}"}))
    provider.add_span_processor(BatchSpanProcessor(exporter))  # flushed when the process shuts down cleanly
    _tracer = provider.get_tracer("ldnas")
    return provider


def require_tracing(environ: Mapping[str, str]) -> None:
    """Check that spans can be sent if they are to be sent.

    Raises:
        SettingsError: an endpoint is set, and OpenTelemetry is not installed.
    """
    endpoint = environ.get(ENDPOINT, "").strip()
    if endpoint and not all(map(_is_installed, _PACKAGES)):
        raise SettingsError(
            ENDPOINT, endpoint, "no value, until OpenTelemetry is installed: pip install 'ldnas[tracing]'"
        )


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # a package above it is absent
        return False


def stop_tracing() -> None:
    """Stop sending spans from this process."""
    global _tracer
    _tracer = None


@contextmanager
def span(name: str, parent: str | None = None, **attributes: Any) -> Iterator[Span]:
    """Open a span around the block: below `parent` (a traceparent) if given, else below the enclosing span.

    An exception that leaves the block is recorded, and marks the span as failed.
    """
    if _tracer is None:
        yield _NoSpan()
        return
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    context = TraceContextTextMapPropagator().extract({"traceparent": parent}) if parent else None
    named = {f"ldnas.{key}": value for key, value in attributes.items() if value is not None}
    with _tracer.start_as_current_span(name, context=context, attributes=named) as current:
        yield current


def traceparent() -> str | None:
    """The current span as a `traceparent` for another process; None without tracing."""
    if _tracer is None:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent")
