"""`ldnas up` under SIGKILL: every accepted job ends once, with one result, or is cancelled when asked.

tests/chaos breaks more, at moments drawn by chance; test_killed_and_unbroken_end_alike.py holds the outcomes together.
"""

from typing import Any

import pytest

pytestmark = pytest.mark.system

ACROSS = {"groups": [["across"]], "rest": True}


def expect_one_success(up, asked: dict[str, Any]) -> dict[str, Any]:
    answer = up.ended(f"/v1/recommendations/{asked['id']}")
    assert answer["state"] == "succeeded", answer["error"]
    assert up.ends_of(asked["job_id"]) == ["succeeded"]
    architectures = [item for item in up.get("/v1/architectures")["items"] if item["job_id"] == asked["job_id"]]
    assert [item["id"] for item in architectures] == [answer["architecture"]["id"]]
    return answer


def long(*stages: str) -> Any:
    """A stage, or two, that only `make test-long` goes through: another test kills or cancels there, in another way."""
    return pytest.param(stages if len(stages) > 1 else stages[0], marks=pytest.mark.long)


@pytest.mark.parametrize("stages", [long("resolve", "fit"), ("distance", "search"), long("train", "export")])
def test_a_killed_runner_loses_nothing(up, stripes: dict[str, Any], stages: tuple[str, str]) -> None:
    asked = up.recommend(stripes, labels=ACROSS)
    for stage in stages:
        up.wait_for_stage(asked["job_id"], stage)
        for runner in up.runners():
            runner.kill()
    expect_one_success(up, asked)


@pytest.mark.parametrize("stage", [long("fit"), long("distance"), "search", long("train")])
def test_a_killed_worker_loses_nothing(up, stripes: dict[str, Any], stage: str) -> None:
    asked = up.recommend(stripes, labels=ACROSS)
    up.wait_for_stage(asked["job_id"], stage)
    up.part("worker.queue.worker_main").kill()
    expect_one_success(up, asked)


@pytest.mark.parametrize("stage", [long("fit"), long("distance"), long("search"), "train"])
def test_a_killed_service_resumes_after_its_restart(up, stripes: dict[str, Any], stage: str) -> None:
    asked = up.recommend(stripes, labels=ACROSS)
    up.wait_for_stage(asked["job_id"], stage)
    up.kill()
    up.start()
    expect_one_success(up, asked)


@pytest.mark.parametrize("stage", [long("fit"), long("distance"), "search", long("train")])
def test_a_running_job_can_be_cancelled(up, stripes: dict[str, Any], stage: str) -> None:
    asked = up.recommend(stripes, labels=ACROSS)
    up.wait_for_stage(asked["job_id"], stage)
    up.http.post(f"/v1/recommendations/{asked['id']}/cancel").raise_for_status()
    answer = up.ended(f"/v1/recommendations/{asked['id']}")
    assert answer["state"] == "cancelled"
    assert up.ends_of(asked["job_id"]) == ["cancelled"]
    assert up.runners() == []


def test_a_queued_job_can_be_cancelled(up, stripes: dict[str, Any]) -> None:
    first = up.recommend(stripes, labels=ACROSS)
    up.wait_for_stage(first["job_id"], "resolve")
    second = up.recommend(stripes)
    up.http.post(f"/v1/recommendations/{second['id']}/cancel").raise_for_status()
    assert up.get(f"/v1/recommendations/{second['id']}")["state"] == "cancelled"
    expect_one_success(up, first)
