"""The Python client, against the real application and against a server that breaks its streams."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from service.client import Client
from service.client import connection as connection_module
from service.client import submission as submission_module
from service.client.errors import (
    JobCancelledError,
    JobFailedError,
    KeyRefusedError,
    NotAllowedError,
    RequestRefusedError,
    TooManyError,
    UnreachableError,
    WaitTimeoutError,
)
from service.client.events import Event, parse_events
from worker.registry.session import Engine, unit_of_work

LABELS = {"groups": [[1, 3, 5, 7, 9]], "rest": True}


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


def answering(answer: Callable[[httpx.Request], httpx.Response]) -> Client:
    return Client("http://service", "secret", transport=httpx.MockTransport(answer))


def finish(engine: Engine, job_id: str, error: dict[str, Any] | None = None) -> None:
    with unit_of_work(engine) as registry:
        job = registry.jobs.claim(job_id, worker="w", lease_seconds=60)
        assert job is not None
        if error is None:
            registry.jobs.finish(job_id, job.attempt, {})
        else:
            registry.jobs.fail(job_id, job.attempt, error)


def test_a_registered_task_is_waited_for(client: Client, engine: Engine) -> None:
    submission = client.register_task("odd_or_even", "builtin://digits", labels=LABELS, repetitions=2)
    finish(engine, submission.document["job_id"])
    task = submission.wait()
    assert (task["name"], task["state"], task["repetitions"]) == ("odd_or_even", "succeeded", 2)
    assert [found["id"] for found in client.tasks(role="baseline")] == [submission.id]


def test_a_recommendation_takes_every_setting_that_the_client_offers(client: Client) -> None:
    client.register_task("odd_or_even", {"uri": "builtin://digits"}, labels=LABELS)
    submission = client.recommend(
        "builtin://digits",
        name="primes",
        labels={"groups": [[2, 3, 5, 7]], "rest": True},
        network="small_cnn",
        epsilon=0.1,
        repetitions=2,
        require_approximation=True,
        measure="log_det",
        baselines=["odd_or_even"],
        image_size=16,
        budget={"iterations": 2},
        search={"strategy": "fuse", "candidates": 2},
        seed=5,
        priority=1,
    )
    document = client.get_recommendation(submission.id)
    assert (document["name"], document["state"]) == ("primes", "queued")
    assert [found["id"] for found in client.recommendations()] == [submission.id]


def test_distances_are_measured_for_several_targets_at_once(client: Client, engine: Engine) -> None:
    targets = [client.register_task(name, "builtin://digits").id for name in ("a", "b b")]
    group = client.measure_distances(
        [targets[1], "a"], sources=["a"], measures=["log_det"], repetitions=2, idempotency_key="k"
    )
    again = client.measure_distances(
        [targets[1], "a"], sources=["a"], measures=["log_det"], repetitions=2, idempotency_key="k"
    )
    assert again.document == group.document
    assert [submission.label for submission in group] == ["b b", "a"]
    for submission in group:
        finish(engine, submission.id)
    jobs = group.wait(progress=True, timeout_seconds=10.0)
    assert [job["params"]["target_task_id"] for job in jobs] == targets[::-1]
    with pytest.raises(RequestRefusedError, match="frechet") as caught:
        client.distance("a", "b b", measure="frechet")
    assert caught.value.problem["code"] == "not_measured"


def test_a_group_fails_with_its_job_ends_with_its_time_and_is_cancelled_whole(client: Client, engine: Engine) -> None:
    client.register_task("a", "builtin://digits")
    client.register_task("b", "builtin://digits")
    group = client.measure_distances(["a", "b"])
    with pytest.raises(WaitTimeoutError):
        group.wait(timeout_seconds=0.0)
    finish(engine, group.submissions[0].id)
    with pytest.raises(WaitTimeoutError, match=r"^b has not ended after 0\.25 s"):
        group.wait(timeout_seconds=0.25)
    finish(engine, group.submissions[1].id, {"code": "unknown_measure", "detail": "no", "field": None, "origin": None})
    with pytest.raises(JobFailedError):
        group.wait()
    alone = client.measure_distances("a")
    alone.cancel()
    with pytest.raises(JobCancelledError):
        alone.wait()


def test_a_failed_job_raises_its_problem(client: Client, engine: Engine) -> None:
    submission = client.register_task("odd_or_even", "builtin://digits")
    error = {"code": "unknown_label", "detail": "no label 11", "field": "labels.groups[0]", "origin": None}
    finish(engine, submission.document["job_id"], error)
    with pytest.raises(JobFailedError, match=r"no label 11 \(labels.groups\[0\]\)") as caught:
        submission.wait()
    assert caught.value.problem["code"] == "unknown_label"


def test_the_evaluation_of_an_unfinished_network_is_refused(client: Client) -> None:
    submission = client.recommend("builtin://digits")
    with pytest.raises(RequestRefusedError, match="has not seen the test images") as caught:
        client.evaluation(submission.id)
    assert caught.value.problem["code"] == "not_evaluated"


def test_a_cancelled_job_raises(client: Client) -> None:
    submission = client.recommend("builtin://digits")
    submission.cancel()
    with pytest.raises(JobCancelledError):
        submission.wait()


def test_waiting_ends_at_its_limit(client: Client) -> None:
    with pytest.raises(WaitTimeoutError, match="goes on in the service"):
        client.recommend("builtin://digits").wait(timeout_seconds=0.0)


def test_progress_is_told_on_standard_error(client: Client, engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    submission = client.register_task("odd_or_even", "builtin://digits")
    finish(engine, submission.document["job_id"])
    submission.wait(progress=True)
    output = capsys.readouterr()
    assert output.out == ""
    assert "odd_or_even: succeeded" in output.err


def test_a_refusal_carries_the_problem_document(client: Client) -> None:
    with pytest.raises(RequestRefusedError) as caught:
        client.register_task("odd_or_even", "builtin://letters")
    assert caught.value.status == 422
    assert caught.value.problem["errors"][0]["field"] == "dataset.uri"
    assert "dataset.uri" in str(caught.value)


def test_a_key_that_is_missing_too_weak_or_used_up_is_told_by_an_error_of_its_own(
    http: httpx.Client, make_key: Callable[..., str]
) -> None:
    def with_key(key: str | None) -> Client:
        def forward(request: httpx.Request) -> httpx.Response:
            answer = http.request(request.method, request.url, headers=request.headers, content=request.read())
            return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

        return Client("http://service", key, transport=httpx.MockTransport(forward))

    reading, writing = make_key("read"), make_key("write", quota=0)
    for key, code in ((None, "no_key"), ("ldnas_other", "wrong_key")):
        with pytest.raises(KeyRefusedError, match="LDNAS_API_KEY") as refused:
            list(with_key(key).tasks())
        assert (refused.value.status, refused.value.problem["code"]) == (401, code)
    with pytest.raises(NotAllowedError, match="scope write"):
        with_key(reading).register_task("a", "builtin://digits")
    with pytest.raises(TooManyError, match="'write' may have 0") as too_many:
        with_key(writing).recommend("builtin://digits")
    assert too_many.value.retry_after_seconds == 30


def throttling(pauses: list[str]) -> tuple[Client, list[httpx.Request]]:
    """A service that answers 429 with each of these pauses, and then with a page."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if len(seen) <= len(pauses):
            return httpx.Response(429, headers={"Retry-After": pauses[len(seen) - 1]}, json={"title": "slower"})
        return httpx.Response(200, json={"items": [], "next": None})

    return answering(answer), seen


def test_a_poll_comes_back_when_it_is_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("service.client.connection.time.sleep", slept.append)
    client, seen = throttling(["3", "1"])
    assert list(client.tasks()) == []
    assert (len(seen), slept) == (3, [3.0, 1.0])


@pytest.mark.parametrize("pause", ["3600", "Wed, 21 Oct 2026 07:28:00 GMT", "", "-1"])
def test_a_poll_does_not_wait_for_longer_than_a_minute_or_for_what_it_does_not_understand(pause: str) -> None:
    client, seen = throttling([pause])
    with pytest.raises(TooManyError, match="slower"):
        list(client.tasks())
    assert len(seen) == 1


def test_a_post_is_left_to_whoever_asked() -> None:
    client, seen = throttling(["0"])
    with pytest.raises(TooManyError):
        client.register_task("a", "builtin://digits")
    assert len(seen) == 1


def test_the_events_of_an_ended_job_come_once_and_the_stream_ends(client: Client, engine: Engine) -> None:
    submission = client.recommend("builtin://digits")
    finish(engine, submission.document["job_id"])
    events = list(client.events(submission.id))
    assert [event.data["state"] for event in events] == ["queued", "running", "succeeded"]
    assert list(submission.events(events[-2].id)) == events[-1:]


def test_listings_are_followed_to_their_last_page() -> None:
    pages = {None: {"items": [{"id": "a"}], "next": "a"}, "a": {"items": [{"id": "b"}], "next": None}}
    client = answering(lambda request: httpx.Response(200, json=pages[request.url.params.get("after")]))
    assert [task["id"] for task in client.tasks()] == ["a", "b"]


def test_the_key_is_sent_and_a_broken_post_is_repeated_under_one_idempotency_key() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if len(seen) == 1:
            raise httpx.ReadError("broken")
        return httpx.Response(202, json={"id": "1", "job_id": "2", "name": None})

    answering(answer).register_task("a", "builtin://digits")
    assert [request.headers["authorization"] for request in seen] == ["Bearer secret"] * 2
    assert len({request.headers["idempotency-key"] for request in seen}) == 1
    assert json.loads(seen[0].content) == {"name": "a", "dataset": {"uri": "builtin://digits"}}


def test_what_is_no_problem_document_is_still_a_refusal() -> None:
    client = answering(lambda request: httpx.Response(502, html="<h1>Bad gateway</h1>"))
    with pytest.raises(RequestRefusedError, match="HTTP 502 Bad Gateway"):
        client.distances()


def test_a_service_that_is_not_there_is_named() -> None:
    with (
        Client("http://127.0.0.1:9") as client,
        pytest.raises(UnreachableError, match=r"http://127.0.0.1:9 .*ldnas up"),
    ):
        client.distances()


def test_events_are_parsed_as_the_standard_says() -> None:
    stream = [
        ": hello",
        "",
        "id: 3",
        "event: stage",
        'data: {"a":',
        "data:1}",
        "",
        "id: 4",
        'data: {"b": 2}',
        "",
        "data: {",
    ]
    assert list(parse_events(stream)) == [Event(3, "stage", {"a": 1}), Event(4, "message", {"b": 2})]


@pytest.fixture
def breaking_server() -> Iterator[str]:
    """A job with five events whose stream breaks after each second one, in the middle of the next."""
    story = [Event(number, "stage", {"n": number}) for number in range(1, 6)]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.endswith("/events"):
                body = json.dumps({"state": "succeeded"}).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                return
            seen = int(self.headers["Last-Event-ID"])
            left = story[seen:]
            self.send_response(200 if left else 204)
            self.send_header("content-type", "text/event-stream")
            # More is promised than is sent: the client sees the connection break.
            self.send_header("content-length", "100000" if left else "0")
            self.end_headers()
            for event in left[:2]:
                self.wfile.write(f"id: {event.id}\nevent: {event.kind}\ndata: {json.dumps(event.data)}\n\n".encode())
            self.wfile.write(b"id: 99\nevent: cut" if left else b"")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_stream_that_breaks_is_taken_up_where_it_broke(breaking_server: str) -> None:
    with Client(breaking_server) as client:
        assert [event.id for event in client.events("x")] == [1, 2, 3, 4, 5]


def test_a_service_that_stays_away_ends_the_stream() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(UnreachableError):
        next(answering(answer).events("x"))


def test_the_client_and_the_command_line_need_only_httpx_rich_and_typer() -> None:
    code = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "numpy", "fastapi", "uvicorn", "sqlalchemy", "pydantic", "celery"}:
            raise ModuleNotFoundError(f"blocked: {name}", name=name)
sys.meta_path.insert(0, Blocked())
import service.client, service.terminal.tables, service.terminal.answer, service.terminal.progress
from service.cli import main
sys.argv = ["ldnas", "migrate"]
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "pip install 'ldnas[service]'" in done.stderr
