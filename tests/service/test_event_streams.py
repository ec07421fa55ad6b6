"""Server-sent events of jobs and recommendations."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from service.api import event_feed
from service.api.security.callers import LOCAL, Caller
from worker.registry import Engine, Scope, unit_of_work


def events_in(text: str) -> list[dict[str, Any]]:
    """Each event as its fields; comments are left out."""
    blocks = (block for block in text.split("\n\n") if block and not block.startswith(":"))
    events = (dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks)
    return [event | {"data": json.loads(event["data"])} for event in events]


@pytest.fixture
def asked(http: httpx.Client, task_body: dict) -> dict[str, Any]:
    return http.post("/v1/recommendations", json=task_body).json()


def work_on(engine: Engine, job_id: str) -> None:
    """A whole life of the job: claimed, at work, done."""
    with unit_of_work(engine) as registry:
        job = registry.leases.claim(job_id, worker="w", lease_seconds=60)
        assert job is not None
        registry.leases.add_event(job_id, job.attempt, "stage", {"stage": "fit"})
        registry.leases.add_event(job_id, job.attempt, "network", {"repetition": 0})
        registry.leases.finish(job_id, job.attempt, {})


def paths(asked: dict) -> tuple[str, str]:
    return f"/v1/recommendations/{asked['id']}/events", f"/v1/jobs/{asked['job_id']}/events"


def test_a_stream_sends_the_whole_history_and_ends_with_the_job(
    http: httpx.Client, asked: dict, engine: Engine
) -> None:
    work_on(engine, asked["job_id"])
    for path in paths(asked):
        answer = http.get(path)
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = events_in(answer.text)
        assert [event["event"] for event in events] == ["state", "state", "stage", "network", "state"]
        assert [event["data"].get("state") for event in events if event["event"] == "state"] == [
            "queued",
            "running",
            "succeeded",
        ]
        numbers = [int(event["id"]) for event in events]
        assert numbers == sorted(set(numbers))


def test_a_stream_resumes_after_the_last_event_that_was_seen(http: httpx.Client, asked: dict, engine: Engine) -> None:
    work_on(engine, asked["job_id"])
    path, _ = paths(asked)
    whole = events_in(http.get(path).text)
    rest = events_in(http.get(path, headers={"Last-Event-ID": whole[2]["id"]}).text)
    assert rest == whole[3:]


def test_a_stream_with_nothing_left_to_send_is_204_so_that_browsers_stop_asking(
    http: httpx.Client, asked: dict, engine: Engine
) -> None:
    work_on(engine, asked["job_id"])
    for path in paths(asked):
        last = events_in(http.get(path).text)[-1]["id"]
        assert http.get(path, headers={"Last-Event-ID": last}).status_code == 204


def test_a_history_longer_than_one_batch_is_sent_whole(
    http: httpx.Client, asked: dict, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_feed, "BATCH", 2)
    work_on(engine, asked["job_id"])
    assert len(events_in(http.get(paths(asked)[0]).text)) == 5


@pytest.mark.parametrize("last_event_id", ["x", "-1", str(2**63)])
def test_a_number_that_no_event_can_have_is_refused(http: httpx.Client, asked: dict, last_event_id: str) -> None:
    answer = http.get(paths(asked)[0], headers={"Last-Event-ID": last_event_id})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "Last-Event-ID")


@pytest.mark.parametrize("kind", ["jobs", "recommendations"])
def test_a_stream_of_nothing_is_404(http: httpx.Client, kind: str) -> None:
    assert http.get(f"/v1/{kind}/{'0' * 32}/events").status_code == 404


def test_an_open_stream_sees_what_happens_and_holds_no_connection_meanwhile(
    app: FastAPI, asked: dict, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_feed, "POLL_SECONDS", 0.01)

    async def watch() -> list[str]:
        seen = []
        async for event in event_feed.feed(app.state.resources, LOCAL, asked["job_id"], 0):
            if not seen:
                assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]
                await asyncio.to_thread(work_on, engine, asked["job_id"])
            seen.append(event.event)
        return seen

    assert asyncio.run(watch()) == ["state", "state", "stage", "network", "state"]


def test_an_open_stream_ends_when_the_process_stops_or_the_job_is_gone(
    app: FastAPI, asked: dict, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_feed, "POLL_SECONDS", 0.01)

    async def watch(job_id: str) -> int:
        seen = 0
        async for _ in event_feed.feed(app.state.resources, LOCAL, job_id, 0):
            seen += 1
            app.state.resources.stopping.set()
        return seen

    assert asyncio.run(watch("0" * 32)) == 0
    assert asyncio.run(watch(asked["job_id"])) == 1


def test_an_open_stream_ends_with_the_key_the_session_or_the_openness_that_let_it_in(
    app: FastAPI,
    asked: dict,
    engine: Engine,
    http: httpx.Client,
    make_key: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_feed, "POLL_SECONDS", 0.01)

    async def watch(caller: Caller, end: Callable[[], object]) -> int:
        seen = 0
        async for _ in event_feed.feed(app.state.resources, caller, asked["job_id"], 0):
            seen += 1
            await asyncio.to_thread(end)
        return seen

    def revoke(name: str) -> None:
        with unit_of_work(engine) as registry:
            registry.keys.revoke(name)

    assert asyncio.run(watch(LOCAL, lambda: make_key("read"))) == 1
    own = {"Origin": "http://service"}
    cookie = http.post("/login", json={"key": make_key("write")}, headers=own).cookies["ldnas_session"]
    with_session = Caller("any", "write", Scope.WRITE, session_id=cookie.partition(".")[0])
    assert asyncio.run(watch(with_session, lambda: http.post("/logout", headers=own))) == 1
    with unit_of_work(engine) as registry:
        key = registry.keys.find_active_name("read")
    assert asyncio.run(watch(Caller(key.id, "read", Scope.READ), lambda: revoke("read"))) == 1
