"""A request, its job's attempt and the stages are one trace; without an endpoint nothing is traced."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from service.app import create_app
from worker.errors import SettingsError
from worker.process import tracing
from worker.process.tracing import PARENT, configure_tracing, require_tracing, span, stop_tracing, traceparent
from worker.queue import runner
from worker.queue.exit_codes import Ending
from worker.registry import Engine, unit_of_work
from worker.settings import Settings


@pytest.fixture
def spans() -> Iterator[Callable[[], dict[str, ReadableSpan]]]:
    """The spans that were finished so far, by name."""
    exporter = InMemorySpanExporter()
    provider = configure_tracing("test", {}, exporter)

    def finished() -> dict[str, ReadableSpan]:
        provider.force_flush()
        return {found.name: found for found in exporter.get_finished_spans()}

    yield finished
    stop_tracing()
    provider.shutdown()


def test_a_request_its_attempt_and_its_stages_are_one_trace(
    spans: Callable[[], dict[str, ReadableSpan]],
    settings: Settings,
    engine: Engine,
    stripes_folder: object,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = create_app(settings)
    body = {"name": "stripes", "dataset": {"uri": f"file://{stripes_folder}"}, "repetitions": 1}

    async def ask() -> str:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as http:
            answer = await http.post("/v1/tasks", json=body, headers={"X-Request-Id": "mine"})
        return answer.json()["job_id"]

    job_id = asyncio.run(ask())
    app.state.resources.engine.dispose()
    with unit_of_work(engine) as registry:
        job = registry.leases.claim(job_id, worker="w", lease_seconds=60)
    assert job is not None
    with span("attempt", job.traceparent):
        monkeypatch.setenv(PARENT, traceparent() or "")
    assert runner.run(settings, engine, job_id, 1) is Ending.RECORDED
    finished = spans()
    request = finished["POST /v1/tasks"]
    assert request.attributes == {"ldnas.request_id": "mine"}
    below = {"attempt": request, "runner": finished["attempt"]}
    below |= {f"stage {name}": finished["runner"] for name in ("resolve", "fit", "search")}
    for name, parent in below.items():
        assert finished[name].context.trace_id == request.context.trace_id
        assert finished[name].parent is not None
        assert finished[name].parent.span_id == parent.context.span_id, name


def test_an_exception_marks_its_span(spans: Callable[[], dict[str, ReadableSpan]]) -> None:
    with pytest.raises(LookupError), span("stage fit"):
        raise LookupError
    assert not spans()["stage fit"].status.is_ok


def test_without_an_endpoint_nothing_is_traced_and_nothing_imported() -> None:
    assert configure_tracing("api", {}) is None
    assert traceparent() is None
    with span("request") as nothing:
        nothing.update_name("other")
        nothing.set_attribute("key", 1)
    code = "import sys, service.app; print('opentelemetry.sdk' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "False", done.stderr


def test_an_endpoint_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(tracing.ENDPOINT, "http://127.0.0.1:1")
    provider = configure_tracing("api")
    assert provider is not None
    stop_tracing()
    provider.shutdown()


def test_an_endpoint_without_opentelemetry_is_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
    require_tracing(endpoint)
    monkeypatch.setattr(tracing, "find_spec", lambda module: None)
    require_tracing({})
    for check in (require_tracing, lambda environ: configure_tracing("worker", environ)):
        with pytest.raises(SettingsError, match=r"until OpenTelemetry is installed: pip install 'ldnas\[tracing\]'"):
            check(endpoint)
