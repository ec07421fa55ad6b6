"""The client with the real application behind it, or with a few answers."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from service.client import Client
from service.client import connection as connection_module
from service.client import submission as submission_module
from worker.registry import Engine, unit_of_work


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "RECONNECT_SECONDS", 0.0)
    monkeypatch.setattr(submission_module, "POLL_SECONDS", 0.0)


@pytest.fixture
def client(http: httpx.Client) -> Iterator[Client]:
    """The client with the real application behind it."""

    def forward(request: httpx.Request) -> httpx.Response:
        answer = http.request(request.method, request.url, headers=request.headers, content=request.read())
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    with Client("http://service", transport=httpx.MockTransport(forward)) as client:
        yield client


@pytest.fixture
def answering() -> Callable[..., Client]:
    """Gives a client whose requests a function answers."""

    def make(answer: Callable[[httpx.Request], httpx.Response], **settings: Any) -> Client:
        return Client("http://service", "secret", transport=httpx.MockTransport(answer), **settings)

    return make


@pytest.fixture
def finish(engine: Engine) -> Callable[..., None]:
    """Ends a job as a worker would: with a result, or with an error."""

    def end(job_id: str, error: dict[str, Any] | None = None, result: dict[str, Any] | None = None) -> None:
        with unit_of_work(engine) as registry:
            job = registry.leases.claim(job_id, worker="w", lease_seconds=60)
            assert job is not None
            if error is None:
                registry.leases.finish(job_id, job.attempt, result or {})
            else:
                registry.leases.fail(job_id, job.attempt, error)

    return end
