"""Traces arrive at an OpenTelemetry collector: a request, its attempt, the runner and the stages, under one trace id.

The collector is Rotel, which comes as a wheel. It passes its spans on to a server of the test, which decodes them.
"""

import gzip
import importlib.util
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.system.conftest import until

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(importlib.util.find_spec("rotel") is None, reason="Rotel has wheels for Linux alone"),
]


@dataclass(frozen=True)
class Arrived:
    """A span behind the collector, and the process that sent it."""

    service: str
    span: Span


class Behind(ThreadingHTTPServer):
    """Receives the spans that the collector passes on."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receiver)
        self.arrived: list[Arrived] = []

    def named(self, name: str) -> list[Arrived]:
        return [found for found in self.arrived if found.span.name == name]


class _Receiver(BaseHTTPRequestHandler):
    server: Behind

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        content = gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body
        for sender in ExportTraceServiceRequest.FromString(content).resource_spans:
            attributes = {item.key: item.value.string_value for item in sender.resource.attributes}
            for scope in sender.scope_spans:
                self.server.arrived += [Arrived(attributes["service.name"], span) for span in scope.spans]
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Keeps quiet."""


@pytest.fixture
def behind() -> Iterator[Behind]:
    with Behind() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def collector(behind: Behind, tmp_path: Path) -> Iterator[str]:
    """A running collector; gives its address for OTLP over HTTP."""
    spec = importlib.util.find_spec("rotel")
    assert spec is not None
    assert spec.origin is not None
    with socket.socket() as http, socket.socket() as grpc:
        for free in (http, grpc):
            free.bind(("127.0.0.1", 0))
        address, other = (f"127.0.0.1:{free.getsockname()[1]}" for free in (http, grpc))
    options = ["--otlp-http-endpoint", address, "--otlp-grpc-endpoint", other, "--exporter", "otlp"]
    onward = ["--otlp-exporter-protocol", "http", "--otlp-exporter-endpoint", f"http://127.0.0.1:{behind.server_port}"]
    program = Path(spec.origin).parent / "rotel-agent"
    with (
        (tmp_path / "collector.log").open("ab") as log,
        subprocess.Popen([program, "start", *options, *onward], stdout=log, stderr=log) as process,
    ):
        until(lambda: _listens(address), "the collector listens", 30)
        yield f"http://{address}"
        process.terminate()


def _listens(address: str) -> bool:
    host, port = address.split(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def test_the_spans_of_a_job_pass_through_a_collector(
    behind: Behind, collector: str, stripes_folder: Path, tmp_path: Path, start_up
) -> None:
    given = {"LDNAS_DATASET_ROOTS": str(stripes_folder.parent), "OTEL_EXPORTER_OTLP_ENDPOINT": collector}
    up = start_up(tmp_path / "home", given)
    body: dict[str, Any] = {"name": "three", "dataset": {"uri": stripes_folder.as_uri()}, "repetitions": 1}
    answer = up.http.post("/v1/tasks", json=body, headers={"X-Request-Id": "mine"})
    task = answer.raise_for_status().json()
    assert up.ended(f"/v1/tasks/{task['id']}")["state"] == "succeeded"
    up.stop()  # each process sends what it has left

    below = {
        "POST /v1/tasks": ("ldnas-api", None),
        "attempt register_task": ("ldnas-worker", "POST /v1/tasks"),
        "runner": ("ldnas-runner", "attempt register_task"),
        "stage resolve": ("ldnas-runner", "runner"),
        "stage fit": ("ldnas-runner", "runner"),
    }
    until(lambda: all(behind.named(name) for name in below), "every span is there", 30)
    [request] = behind.named("POST /v1/tasks")
    for name, (service, parent) in below.items():
        [found] = behind.named(name)
        assert (found.service, found.span.trace_id) == (service, request.span.trace_id), name
        expected = b"" if parent is None else behind.named(parent)[0].span.span_id
        assert found.span.parent_span_id == expected, name
        assert found.span.end_time_unix_nano > found.span.start_time_unix_nano
    attributes = {
        item.key: item.value.string_value for item in behind.named("attempt register_task")[0].span.attributes
    }
    assert (attributes["ldnas.request_id"], attributes["ldnas.job_id"]) == ("mine", task["job_id"])
