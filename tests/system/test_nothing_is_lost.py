"""SIGKILL wherever it hurts: every accepted job ends once, with one result, or is cancelled when asked."""

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


def works(up, job_id: str) -> tuple[int, int]:
    """How many networks were fitted by the events, and how many search iterations were run."""
    kinds = [event["kind"] for event in up.events(job_id)]
    return kinds.count("network"), kinds.count("iteration")


@pytest.mark.parametrize("stages", [("resolve", "fit"), ("distance", "search"), ("train", "export")])
def test_a_killed_runner_loses_nothing(up, stripes: dict[str, Any], stages: tuple[str, str]) -> None:
    asked = up.recommend(stripes, labels=ACROSS)
    for stage in stages:
        up.wait_for_stage(asked["job_id"], stage)
        for runner in up.runners():
            runner.kill()
    expect_one_success(up, asked)


@pytest.mark.parametrize("stage", ["fit", "search"])
def test_a_killed_worker_loses_nothing(up, stripes: dict[str, Any], stage: str) -> None:
    asked = up.recommend(stripes, labels=ACROSS)
    up.wait_for_stage(asked["job_id"], stage)
    up.part("worker.worker_main").kill()
    expect_one_success(up, asked)


@pytest.mark.parametrize("stage", ["fit", "train"])
def test_a_killed_service_goes_on_after_its_restart(up, stripes: dict[str, Any], stage: str) -> None:
    asked = up.recommend(stripes, labels=ACROSS)
    up.wait_for_stage(asked["job_id"], stage)
    up.kill()
    up.start()
    expect_one_success(up, asked)


def test_a_killed_search_ends_where_an_unbroken_one_does(up, stripes: dict[str, Any]) -> None:
    unbroken = expect_one_success(up, up.recommend(stripes, labels=ACROSS, seed=1))
    # Another data split would be another search: the same images under the mirrored mapping are the same work.
    asked = up.recommend(stripes, labels={"groups": [["down", "plain"]], "rest": True}, seed=1)
    up.wait_for_stage(asked["job_id"], "search")
    for runner in up.runners():
        runner.kill()
    broken = expect_one_success(up, asked)
    again = expect_one_success(up, up.recommend(stripes, labels=ACROSS, seed=1))
    assert again["architecture"]["genotype"] == unbroken["architecture"]["genotype"]
    assert again["test"] == unbroken["test"]
    assert broken["state"] == "succeeded"


@pytest.mark.parametrize("stage", ["fit", "search", "train"])
def test_a_running_job_can_be_cancelled_in_every_stage(up, stripes: dict[str, Any], stage: str) -> None:
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
