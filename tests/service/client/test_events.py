"""The events of a job: each once and in order, whatever breaks."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from service.client import Client
from service.client.errors import UnreachableError
from service.client.events import Event

Finish = Callable[..., None]
Answering = Callable[..., Client]


def test_the_events_of_an_ended_job_come_once_and_the_stream_ends(client: Client, finish: Finish) -> None:
    submission = client.recommend("builtin://digits")
    finish(submission.document["job_id"])
    events = list(client.events(submission.id))
    assert [event.data["state"] for event in events] == ["queued", "running", "succeeded"]
    assert list(submission.events(events[-2].id)) == events[-1:]


STREAM = """: hello

id: 3
event: stage
data: {"a":
data:1}

id: 4
data: {"b": "line\u2028separator"}

data: {"""


def test_events_are_read_as_the_standard_says(answering: Answering) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/events"):
            return httpx.Response(200, text=STREAM, headers={"content-type": "text/event-stream; charset=utf-8"})
        return httpx.Response(200, json={"state": "succeeded"})

    events = answering(answer).events("1" * 32)
    assert [next(events), next(events)] == [
        Event(3, "stage", {"a": 1}),
        Event(4, "message", {"b": "line\u2028separator"}),
    ]


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


def test_a_service_that_stays_away_ends_the_stream(answering: Answering) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(UnreachableError):
        next(answering(answer, absence_seconds=0.05).events("x"))


def test_a_page_of_a_proxy_instead_of_a_stream_ends_once_the_job_has_ended(answering: Answering) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/events"):
            return httpx.Response(200, html="<p>please log in</p>")
        return httpx.Response(200, json={"state": "succeeded"})

    assert list(answering(answer).events("x")) == []
