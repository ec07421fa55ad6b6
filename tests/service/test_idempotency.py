"""A POST that is sent twice under one `Idempotency-Key`."""

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from sqlalchemy import event

from service.api.routes import recommendations as routes
from service.api.submissions.idempotency import RequestIdentity
from service.app import SUBMITS_AT_ONCE
from service.schemas.tasks import TaskRequest
from worker.registry import Engine, JobKind
from worker.settings import Settings

POSTS = ("/v1/tasks", "/v1/recommendations")


def post(http: httpx.Client, path: str, body: dict[str, Any], key: str) -> httpx.Response:
    return http.post(path, json=body, headers={"Idempotency-Key": key})


@pytest.mark.parametrize("path", POSTS)
def test_the_same_request_makes_one_thing_and_gives_the_same_answer(
    http: httpx.Client, task_body: dict, path: str
) -> None:
    first, second = (post(http, path, task_body, "k") for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()
    assert first.headers["Location"] == second.headers["Location"]
    assert len(http.get("/v1/jobs").json()["items"]) == 1


@pytest.mark.parametrize("path", POSTS)
def test_another_body_under_the_key_is_refused(http: httpx.Client, task_body: dict, path: str) -> None:
    post(http, path, task_body, "k")
    answer = post(http, path, task_body | {"seed": 1}, "k")
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"


def test_the_key_of_one_path_is_refused_at_another(http: httpx.Client, task_body: dict) -> None:
    post(http, "/v1/tasks", task_body, "k")
    assert post(http, "/v1/recommendations", task_body, "k").json()["code"] == "idempotency_key_reused"


def test_without_a_key_two_requests_are_two(http: httpx.Client, task_body: dict) -> None:
    ids = {http.post("/v1/recommendations", json=task_body).json()["id"] for _ in range(2)}
    assert len(ids) == 2


def test_a_repeated_request_is_answered_even_where_its_data_is_gone_by_now(
    http: httpx.Client, task_body: dict, settings: Settings
) -> None:
    folder = settings.dataset_roots[0] / "scans"
    folder.mkdir()
    body = task_body | {"dataset": {"uri": f"file://{folder}"}}
    first = post(http, "/v1/tasks", body, "k")
    shutil.rmtree(folder)
    assert post(http, "/v1/tasks", body, "k").json() == first.json()


def test_a_repeated_request_for_a_deleted_resource_says_so(http: httpx.Client, task_body: dict) -> None:
    asked = post(http, "/v1/recommendations", task_body, "k").json()
    http.post(f"/v1/recommendations/{asked['id']}/cancel")
    http.delete(f"/v1/recommendations/{asked['id']}")
    answer = post(http, "/v1/recommendations", task_body, "k")
    assert (answer.status_code, answer.json()["code"]) == (409, "deleted_resource")


@pytest.mark.parametrize("key", ["", "a b", "x" * 256])
def test_a_key_that_is_none_is_refused(http: httpx.Client, task_body: dict, key: str) -> None:
    answer = post(http, "/v1/tasks", task_body, key)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "Idempotency-Key")


def test_equal_requests_at_the_same_moment_make_one_thing(http: httpx.Client, task_body: dict) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: post(http, "/v1/tasks", task_body, "k"), range(4)))
    assert [answer.status_code for answer in answers] == [202] * 4
    assert len({answer.json()["id"] for answer in answers}) == 1


def test_the_order_of_the_fields_does_not_make_another_request(task_body: dict) -> None:
    turned = dict(reversed(list(task_body.items())))
    one, other = (
        RequestIdentity.of(JobKind.REGISTER_TASK, TaskRequest(**body), "k", owner="local")
        for body in (task_body, turned)
    )
    assert one == other


def test_a_new_request_is_accepted_in_one_transaction(http: httpx.Client, task_body: dict, engine: Engine) -> None:
    begun: list[object] = []
    event.listen(engine, "begin", begun.append)
    assert post(http, "/v1/recommendations", task_body, "k").status_code == 202
    assert len(begun) == 1


def test_a_submit_that_gets_no_turn_is_refused_and_stores_nothing(
    http: httpx.Client, task_body: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    going_on, accept = threading.Event(), routes.accept_recommendation
    begun = threading.Barrier(SUBMITS_AT_ONCE + 1)

    def accept_slowly(*arguments: Any, **options: Any) -> str:
        begun.wait(60)
        assert going_on.wait(60)
        return accept(*arguments, **options)

    monkeypatch.setattr(routes, "accept_recommendation", accept_slowly)
    monkeypatch.setattr(routes, "TURN_SECONDS", 0.2)
    with ThreadPoolExecutor(SUBMITS_AT_ONCE) as pool:
        slow = [pool.submit(http.post, "/v1/recommendations", json=task_body) for _ in range(SUBMITS_AT_ONCE)]
        begun.wait(60)
        refused = http.post("/v1/recommendations", json=task_body)
        going_on.set()
        assert [answer.result().status_code for answer in slow] == [202] * SUBMITS_AT_ONCE
    assert (refused.status_code, refused.json()["code"]) == (503, "busy")
    assert refused.headers["Retry-After"] == "5"
    assert len(http.get("/v1/jobs").json()["items"]) == SUBMITS_AT_ONCE
