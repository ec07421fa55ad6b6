"""A message to a webhook: its content, its signature, and the times of its attempts."""

import base64
import hashlib
import hmac
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler

import pytest

from tests.worker.local_guard import local_guard
from worker.outbound import webhooks
from worker.outbound.guard import OutboundGuard
from worker.queue import dispatcher
from worker.registry import Engine, WebhookDeliveryRow, reading, unit_of_work
from worker.settings import Settings

KEY = bytes(range(24))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
PATH = "/of/mine?token=t0p"


@dataclass(frozen=True)
class Received:
    """A POST as the receiver got it."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """Records each POST, and answers with the statuses in their order, the last one repeatedly."""

    def __init__(self, *statuses: int, before_answering: Callable[[], object] = lambda: None) -> None:
        self.statuses = list(statuses)
        self.before_answering = before_answering
        self.received: list[Received] = []

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.received.append(Received(handler.path, headers, body))
        self.before_answering()
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        handler.send_response(status)
        if 300 <= status < 400:
            handler.send_header("Location", "/elsewhere")
        handler.send_header("Content-Length", "0")
        handler.end_headers()


Ended = Callable[..., str]


@pytest.fixture
def ended(engine: Engine) -> Ended:
    """Ends a recommendation whose webhook is a port of this machine; gives its job's id."""

    def end(port: int, id: str = "r") -> str:
        with unit_of_work(engine) as registry:
            job = registry.jobs.insert("recommend", {"recommendation_id": id})
            registry.recommendations.insert(id=id, name="früh", job_id=job.id, task_id="t", request={}, document={})
            registry.webhooks.insert(job.id, f"http://hooks.example.org:{port}{PATH}", SECRET)
            registry.jobs.request_cancel(job.id)
        return job.id

    return end


def delivery_of(engine: Engine, job_id: str) -> WebhookDeliveryRow:
    with reading(engine) as registry:
        found = registry.webhooks.status(job_id)
    assert found is not None
    assert found.delivery is not None
    return found.delivery


def make_due(engine: Engine, job_id: str, **columns: object) -> None:
    with unit_of_work(engine) as registry:
        found = registry.webhooks.status(job_id)
        assert found is not None
        for name, value in {"due_at": 0.0, **columns}.items():
            setattr(found.delivery, name, value)


def test_the_signature_is_that_of_the_specifications_own_example() -> None:
    arguments = ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330)
    assert webhooks.signature(*arguments, '{"test": 2432232314}') == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_message_arrives_and_its_signature_holds(serve, engine: Engine, ended: Ended) -> None:
    receiver = Receiver(204)
    job_id = ended(serve(receiver))
    assert webhooks.send_one(engine, local_guard())
    assert not webhooks.send_one(engine, local_guard()), "a delivered message is not sent again"
    [post] = receiver.received
    assert post.path == PATH
    assert post.headers["content-type"] == "application/json"
    signed = b".".join([post.headers["webhook-id"].encode(), post.headers["webhook-timestamp"].encode(), post.body])
    expected = base64.b64encode(hmac.digest(KEY, signed, hashlib.sha256)).decode()
    assert post.headers["webhook-signature"] == f"v1,{expected}"
    message = json.loads(post.body)
    assert (message["type"], message["data"]["job_id"]) == ("recommendation.cancelled", job_id)
    assert message["data"]["name"] == "früh"
    found = delivery_of(engine, job_id)
    assert (found.id, found.state, found.last_status) == (post.headers["webhook-id"], "delivered", 204)


@pytest.mark.parametrize("status", [500, 503, 429, 404, 400])
def test_a_message_that_is_refused_is_sent_again_under_the_same_id(
    serve, engine: Engine, ended: Ended, status: int
) -> None:
    receiver = Receiver(status, 200)
    job_id = ended(serve(receiver))
    webhooks.send_one(engine, local_guard())
    waiting = delivery_of(engine, job_id)
    assert (waiting.state, waiting.last_status, waiting.last_error) == (
        "pending",
        status,
        f"the receiver answered {status}",
    )
    assert not webhooks.send_one(engine, local_guard()), "not at once"
    make_due(engine, job_id)
    webhooks.send_one(engine, local_guard())
    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    found = delivery_of(engine, job_id)
    assert (found.state, found.attempts, found.last_error) == ("delivered", 2, None)


def test_a_redirect_is_a_failure_and_is_not_followed(serve, engine: Engine, ended: Ended) -> None:
    receiver = Receiver(307)
    job_id = ended(serve(receiver))
    webhooks.send_one(engine, local_guard())
    assert [post.path for post in receiver.received] == [PATH]
    assert (delivery_of(engine, job_id).state, delivery_of(engine, job_id).last_status) == ("pending", 307)


def test_a_receiver_that_is_gone_for_good_gets_no_further_message(serve, engine: Engine, ended: Ended) -> None:
    job_id = ended(serve(Receiver(410)))
    webhooks.send_one(engine, local_guard())
    found = delivery_of(engine, job_id)
    assert (found.state, found.attempts, found.last_status) == ("given_up", 1, 410)


def test_no_attempt_follows_the_last_allowed_one(serve, engine: Engine, ended: Ended) -> None:
    receiver = Receiver(500)
    job_id = ended(serve(receiver))
    for number in range(webhooks.MAX_ATTEMPTS):
        assert delivery_of(engine, job_id).state == "pending", number
        make_due(engine, job_id)
        webhooks.send_one(engine, local_guard())
    assert len(receiver.received) == webhooks.MAX_ATTEMPTS
    assert delivery_of(engine, job_id).state == "given_up"
    make_due(engine, job_id)
    assert not webhooks.send_one(engine, local_guard())


def test_the_pauses_grow_to_twelve_hours_and_scatter_by_a_quarter() -> None:
    middle = [webhooks.pause_after(attempt, 0.5) for attempt in range(1, webhooks.MAX_ATTEMPTS)]
    assert middle == [5, 20, 80, 320, 1280, 5120, 20480, *[43200] * 4]
    assert sum(middle) == pytest.approx(2.3 * 86400, rel=0.01)
    assert [webhooks.pause_after(1, chance) for chance in (0.0, 1.0)] == [3.75, 6.25]


def test_where_nothing_listens_is_tried_again(engine: Engine, ended: Ended) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        job_id = ended(unused.getsockname()[1])
        webhooks.send_one(engine, local_guard())
    found = delivery_of(engine, job_id)
    assert (found.state, found.last_status) == ("pending", None)
    assert "does not answer" in str(found.last_error)


@pytest.mark.parametrize("guard", [local_guard(address="10.1.2.3"), local_guard("other.example.org")])
def test_a_host_that_became_private_or_forbidden_is_not_reached_and_its_address_not_shown(
    serve, engine: Engine, ended: Ended, guard: OutboundGuard
) -> None:
    receiver = Receiver(200)
    job_id = ended(serve(receiver))
    webhooks.send_one(engine, guard)
    assert receiver.received == []
    found = delivery_of(engine, job_id)
    assert found.state == "pending"
    assert "LDNAS_REMOTE_HOSTS" in str(found.last_error)
    assert "10.1.2.3" not in str(found.last_error)


def test_neither_the_secret_nor_the_path_is_in_a_log(serve, engine: Engine, ended: Ended, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore"):  # as `configure_logging` has them
        caplog.set_level(logging.WARNING, name)
    job_id = ended(serve(Receiver(500, 410)))
    for _ in range(2):
        make_due(engine, job_id)
        webhooks.send_one(engine, local_guard())
    assert "hooks.example.org" in caplog.text
    for secret in (SECRET, SECRET.removeprefix("whsec_"), "t0p", "/of/mine"):
        assert secret not in caplog.text


def test_a_bug_in_one_message_puts_it_off_and_holds_up_no_other(
    serve, engine: Engine, ended: Ended, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    receiver = Receiver(200)
    port = serve(receiver)
    broken, sound = ended(port, "a"), ended(port, "b")
    make_due(engine, broken)
    signed = webhooks.signature
    monkeypatch.setattr(webhooks, "signature", lambda *arguments: 1 / 0)
    webhooks.send_one(engine, local_guard())
    monkeypatch.setattr(webhooks, "signature", signed)
    webhooks.send_one(engine, local_guard())
    assert (delivery_of(engine, broken).state, delivery_of(engine, sound).state) == ("pending", "delivered")
    assert "ZeroDivisionError" in caplog.text


def test_a_sender_that_is_killed_after_the_sending_leads_to_a_second_one_with_the_same_id(
    serve, settings: Settings, engine: Engine, ended: Ended
) -> None:
    processes: list[subprocess.Popen[bytes]] = []
    started = threading.Event()

    def kill() -> None:
        assert started.wait(30)
        os.kill(processes[0].pid, signal.SIGKILL)

    receiver = Receiver(200, before_answering=kill)
    job_id = ended(serve(receiver))
    processes.append(subprocess.Popen([sys.executable, "-m", "tests.worker.killed_sender", settings.database_url]))
    started.set()
    assert processes[0].wait(60) == -signal.SIGKILL
    found = delivery_of(engine, job_id)
    assert (found.state, found.attempts) == ("pending", 1)
    receiver.before_answering = lambda: None
    assert webhooks.send_one(engine, local_guard())
    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    assert delivery_of(engine, job_id).state == "delivered"


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that accepts connections and then sends nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def dribble(handler: BaseHTTPRequestHandler) -> None:
    """Sends an answer whose head never ends, byte by byte."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
    try:
        while not handler.server.socket._closed:
            handler.wfile.write(b"x")
            handler.wfile.flush()
            threading.Event().wait(0.02)
    except OSError:
        pass


def test_a_receiver_that_never_ends_its_answer_is_cut_off(
    serve, engine: Engine, ended: Ended, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "SEND_SECONDS", 0.3)
    job_id = ended(serve(dribble))
    assert webhooks.send_one(engine, local_guard())
    assert (delivery_of(engine, job_id).state, delivery_of(engine, job_id).last_status) == ("pending", None)


def test_a_receiver_that_never_ends_its_tls_handshake_is_cut_off(
    silent: int, engine: Engine, ended: Ended, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "SEND_SECONDS", 0.3)
    monkeypatch.setattr("worker.outbound.guard.CONNECT_SECONDS", 600.0)
    job_id = ended(silent)
    with unit_of_work(engine) as registry:
        registry.webhooks.claim(-1.0)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE webhooks SET url = replace(url, 'http:', 'https:')")
    assert webhooks.send_one(engine, local_guard(scheme="https"))
    assert "does not answer" in str(delivery_of(engine, job_id).last_error)


def test_the_body_of_an_answer_is_not_read(serve, engine: Engine, ended: Ended) -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"x" * 2**16)
        except OSError:
            pass

    job_id = ended(serve(endless))
    assert webhooks.send_one(engine, local_guard())
    assert delivery_of(engine, job_id).state == "delivered"


def test_a_dispatcher_sends_though_receivers_are_slow_and_queues_lost_jobs_again_meanwhile(
    serve, settings: Settings, engine: Engine, ended: Ended, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, delivered, requeued = threading.Event(), threading.Event(), threading.Event()
    slow = Receiver(200, before_answering=lambda: release.wait(60))
    slow_port = serve(slow)
    for number in range(webhooks.SENDERS - 1):
        make_due(engine, ended(slow_port, f"slow{number}"))
    ended(serve(Receiver(200, before_answering=delivered.set)), "quick")
    sweep = dispatcher.sweep
    monkeypatch.setattr(dispatcher, "sweep", lambda engine: (sweep(engine), requeued.set()))
    monkeypatch.setattr(dispatcher, "OutboundGuard", lambda hosts: local_guard())
    stop = threading.Event()
    running = threading.Thread(target=dispatcher.run_dispatcher, args=(replace(settings, lease_seconds=0.6), stop))
    running.start()
    try:
        assert delivered.wait(60), "one sender is free"
        requeued.clear()
        assert requeued.wait(60), "the dispatcher sweeps the queue while receivers are slow"
        assert not release.is_set()
    finally:
        stop.set()
        release.set()
        running.join(60)
