"""How much one key may ask for, and whose a job is."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from worker.registry import Engine, reading, unit_of_work

MakeKey = Callable[..., str]


def ask(http: httpx.Client, body: dict[str, Any], key: str, idempotency_key: str | None = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"}
    if idempotency_key is not None:
        headers["Idempotency-Key"] = idempotency_key
    return http.post("/v1/recommendations", json=body, headers=headers)


def owners(engine: Engine) -> list[str]:
    with reading(engine) as registry:
        return [job.owner for job in registry.jobs.list()]


def test_a_key_with_a_full_quota_learns_when_to_come_back(
    http: httpx.Client, engine: Engine, make_key: MakeKey, task_body: dict
) -> None:
    key, other = make_key("write", quota=1), make_key("write", name="other")
    first = ask(http, task_body, key)
    refused = ask(http, task_body, key)
    assert (first.status_code, refused.status_code, refused.json()["code"]) == (202, 429, "quota_exceeded")
    assert int(refused.headers["Retry-After"]) > 0
    assert ask(http, task_body, other).status_code == 202
    assert len(owners(engine)) == 2, "the refused request left nothing behind"
    cancelled = http.post(
        f"/v1/recommendations/{first.json()['id']}/cancel", headers={"Authorization": f"Bearer {key}"}
    )
    assert cancelled.status_code == 202
    assert ask(http, task_body, key).status_code == 202


def test_the_same_request_again_is_answered_though_the_quota_is_used_up(
    http: httpx.Client, make_key: MakeKey, task_body: dict
) -> None:
    key = make_key("write", quota=1)
    first, again = (ask(http, task_body, key, "k") for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["id"] == again.json()["id"]


def test_trying_again_does_not_evade_the_quota(http: httpx.Client, make_key: MakeKey, task_body: dict) -> None:
    key = {"Authorization": f"Bearer {make_key('write', quota=1)}"}
    first = http.post("/v1/recommendations", json=task_body, headers=key).json()
    http.post(f"/v1/recommendations/{first['id']}/cancel", headers=key)
    [job] = http.get("/v1/jobs", headers=key).json()["items"]
    second = http.post("/v1/recommendations", json=task_body, headers=key).json()
    assert http.post(f"/v1/jobs/{job['id']}/retry", headers=key).status_code == 429
    http.post(f"/v1/recommendations/{second['id']}/cancel", headers=key)
    assert http.post(f"/v1/jobs/{job['id']}/retry", headers=key).status_code == 202


def test_an_open_service_has_no_quota(http: httpx.Client, app: FastAPI, task_body: dict) -> None:
    object.__setattr__(app.state.resources.settings, "quota", 0)
    assert http.post("/v1/recommendations", json=task_body).status_code == 202


@pytest.mark.parametrize("path", ["/v1/tasks", "/v1/recommendations"])
def test_two_keys_may_use_one_idempotency_key(
    http: httpx.Client, engine: Engine, make_key: MakeKey, task_body: dict, path: str
) -> None:
    answers = []
    for name in ("one", "two"):
        headers = {"Authorization": f"Bearer {make_key('write', name=name)}", "Idempotency-Key": "k"}
        answers.append(http.post(path, json=task_body | {"name": name}, headers=headers))
    assert [answer.status_code for answer in answers] == [202, 202]
    with reading(engine) as registry:
        ids = {key.id for key in registry.keys.list()}
    assert set(owners(engine)) == ids


def test_every_kind_of_job_belongs_to_the_key_that_asked_for_it(
    http: httpx.Client, engine: Engine, make_key: MakeKey, task_body: dict
) -> None:
    key = {"Authorization": f"Bearer {make_key('write')}"}
    http.post("/v1/tasks", json=task_body, headers=key)
    http.post("/v1/recommendations", json=task_body | {"name": "other"}, headers=key)
    http.post("/v1/distances", json={"targets": ["other", "odd_or_even"]}, headers=key)
    with reading(engine) as registry:
        [row] = registry.keys.list()
    assert owners(engine) == [row.id] * 4


def test_the_jobs_of_a_revoked_key_continue(
    http: httpx.Client, engine: Engine, make_key: MakeKey, task_body: dict
) -> None:
    key = make_key("write")
    asked = ask(http, task_body, key)
    with unit_of_work(engine) as registry:
        registry.keys.revoke("write")
    other = {"Authorization": f"Bearer {make_key('read')}"}
    assert http.get(asked.headers["Location"], headers=other).json()["state"] == "queued"


def test_who_may_write_cancels_what_another_key_asked_for_and_who_may_read_does_not(
    http: httpx.Client, engine: Engine, make_key: MakeKey, task_body: dict
) -> None:
    theirs = ask(http, task_body, make_key("write", name="theirs")).json()
    reader, colleague = make_key("read"), make_key("write", name="colleague")
    ways = (f"/v1/recommendations/{theirs['id']}/cancel", f"/v1/jobs/{theirs['job_id']}/cancel")
    for path in ways:
        assert http.post(path, headers={"Authorization": f"Bearer {reader}"}).status_code == 403
    with reading(engine) as registry:
        assert registry.jobs.get(theirs["job_id"]).state == "queued"
    assert http.post(ways[1], headers={"Authorization": f"Bearer {colleague}"}).status_code == 202
    with reading(engine) as registry:
        assert registry.jobs.get(theirs["job_id"]).state == "cancelled"
