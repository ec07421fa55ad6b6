"""`POST /v1/distances`: one job for each target, all of them or none."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from ldnas.recipe import MEASURES, STANDING_MEASURES
from service.api.submissions import distances as intake
from worker.registry import Engine, unit_of_work


@pytest.fixture
def tasks(http: httpx.Client, task_body: dict) -> dict[str, str]:
    """Two baselines and the target of a recommendation; none of their jobs has begun."""
    ids = {name: http.post("/v1/tasks", json=task_body | {"name": name}).json()["id"] for name in ("a", "b")}
    ids["t"] = http.post("/v1/recommendations", json=task_body | {"name": "t"}).json()["target"]["task_id"]
    return ids


def ask(http: httpx.Client, key: str | None = None, **body: Any) -> httpx.Response:
    return http.post("/v1/distances", json=body, headers={"Idempotency-Key": key} if key else {})


def jobs_of(http: httpx.Client, kind: str = "distances") -> list[dict[str, Any]]:
    return http.get("/v1/jobs", params={"kind": kind}).json()["items"]


def test_each_target_gets_a_job_and_the_first_knows_all_of_them(http: httpx.Client, tasks: dict[str, str]) -> None:
    answer = ask(http, targets=["b", tasks["t"]], sources=["a", tasks["b"]], measures=["frechet"], repetitions=2)
    assert answer.status_code == 202
    jobs = answer.json()["jobs"]
    ids = [job["job_id"] for job in jobs]
    assert [job["state"] for job in jobs] == ["queued", "queued"]
    assert [job["target"] for job in jobs] == [{"task_id": tasks[name], "name": name} for name in ("b", "t")]
    assert answer.headers["Location"] == f"/v1/jobs/{ids[0]}"
    assert int(answer.headers["Retry-After"]) > 0
    assert sorted(job["id"] for job in jobs_of(http)) == sorted(ids)
    wanted = {"sources": [tasks["a"], tasks["b"]], "measures": ["frechet"], "repetitions": 2}
    accepted = [{"job_id": job["job_id"], "target": job["target"]} for job in jobs]
    first, second = (http.get(f"/v1/jobs/{id}").json()["params"] for id in ids)
    assert first == {"target_task_id": tasks["b"], **wanted, "jobs": accepted}
    assert second == {"target_task_id": tasks["t"], **wanted}


def test_a_listing_of_jobs_leaves_long_lists_out(http: httpx.Client, tasks: dict[str, str], task_body: dict) -> None:
    names = [f"s{number}" for number in range(21)]
    for name in names:
        assert http.post("/v1/tasks", json=task_body | {"name": name}).status_code == 202
    job_id = ask(http, targets=["a"], sources=names).json()["jobs"][0]["job_id"]
    [listed] = jobs_of(http)
    assert set(listed["params"]) == {"target_task_id", "measures", "repetitions", "jobs"}
    assert len(http.get(f"/v1/jobs/{job_id}").json()["params"]["sources"]) == 21


def test_a_name_that_several_targets_have_is_refused_with_their_ids(
    http: httpx.Client, tasks: dict[str, str], task_body: dict
) -> None:
    other = http.post("/v1/recommendations", json=task_body | {"name": "t"}).json()["target"]["task_id"]
    answer = ask(http, targets=["a", "t"])
    assert (answer.status_code, answer.json()["code"]) == (422, "ambiguous_task")
    assert answer.json()["errors"][0]["field"] == "targets[1]"
    assert all(id in answer.json()["detail"] for id in (other, tasks["t"]))
    assert ask(http, targets=["a", other]).status_code == 202
    http.post("/v1/tasks", json=task_body | {"name": "t"})
    assert ask(http, targets=["t"]).status_code == 202, "a baseline goes before targets of its name"


def test_a_target_that_goes_while_it_is_asked_for_is_refused(
    http: httpx.Client, tasks: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def delete_first(names: Any, field: str) -> None:
        if field == "targets":
            delete_task(http, tasks["b"])

    monkeypatch.setattr(intake, "_require_different", delete_first)
    answer = ask(http, targets=["a", "b"])
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_task")
    assert answer.json()["errors"][0]["field"] == "targets[1]"
    assert jobs_of(http) == []


def test_a_task_that_distances_are_measured_to_is_not_deleted(http: httpx.Client, tasks: dict[str, str]) -> None:
    job_id = ask(http, targets=["b"]).json()["jobs"][0]["job_id"]
    own = http.get(f"/v1/tasks/{tasks['b']}").json()["job_id"]
    http.post(f"/v1/jobs/{own}/cancel")
    answer = http.delete(f"/v1/tasks/{tasks['b']}")
    assert (answer.status_code, answer.json()["code"]) == (409, "task_busy")
    assert job_id in answer.json()["detail"]
    http.post(f"/v1/jobs/{job_id}/cancel")
    assert http.delete(f"/v1/tasks/{tasks['b']}").status_code == 204
    assert http.post(f"/v1/jobs/{job_id}/retry").status_code == 409


def test_absent_fields_mean_all_baselines_by_the_standing_measures(http: httpx.Client, tasks: dict[str, str]) -> None:
    params = http.get(ask(http, targets=["t"]).headers["Location"]).json()["params"]
    assert (params["sources"], params["repetitions"]) == (None, None)
    assert params["measures"] == [*STANDING_MEASURES]


def test_the_result_of_a_job_is_its_column(http: httpx.Client, tasks: dict[str, str], engine: Engine) -> None:
    job_id = ask(http, targets=["t"]).json()["jobs"][0]["job_id"]
    result = {"target": {"task_id": tasks["t"], "name": "t"}, "columns": {"log_det": {"verdict": "no_baseline"}}}
    with unit_of_work(engine) as registry:
        job = registry.leases.claim(job_id, worker="w", lease_seconds=60)
        assert job is not None
        registry.leases.finish(job_id, job.attempt, result)
    assert http.get(f"/v1/jobs/{job_id}").json()["result"] == result


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "targets"),
        ({"targets": []}, "targets"),
        ({"targets": "b"}, "targets"),
        ({"targets": ["b"] * 101}, "targets"),
        ({"targets": ["b", 3]}, "targets[1]"),
        ({"targets": ["b", "a", "nowhere"]}, "targets[2]"),
        ({"targets": ["b", "a", "b"]}, "targets[2]"),
        ({"targets": ["b"], "sources": []}, "sources"),
        ({"targets": ["b"], "sources": ["a"] * 1001}, "sources"),
        ({"targets": ["b"], "sources": ["a", "nowhere"]}, "sources[1]"),
        ({"targets": ["b"], "sources": ["t"]}, "sources[0]"),
        ({"targets": ["b"], "sources": ["a", "a"]}, "sources[1]"),
        ({"targets": ["b"], "measures": []}, "measures"),
        ({"targets": ["b"], "measures": ["log_det", "cosine"]}, "measures[1]"),
        ({"targets": ["b"], "measures": ["log_det"] * 7}, "measures"),
        ({"targets": ["b"], "repetitions": 0}, "repetitions"),
        ({"targets": ["b"], "repetitions": "3"}, "repetitions"),
        ({"targets": ["b"], "repetitions": 101}, "repetitions"),
        ({"targets": ["b"], "colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_measured_is_refused_by_name_and_nothing_is_queued(
    http: httpx.Client, tasks: dict[str, str], body: dict[str, Any], field: str
) -> None:
    answer = ask(http, **body)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert jobs_of(http) == []


def test_an_unknown_measure_is_refused_and_the_known_are_named(http: httpx.Client, tasks: dict[str, str]) -> None:
    detail = ask(http, targets=["b"], measures=["cosine"]).json()["detail"]
    assert all(measure in detail for measure in MEASURES)


def test_one_task_under_its_id_and_its_name_is_one_task(http: httpx.Client, tasks: dict[str, str]) -> None:
    answer = ask(http, targets=["b", tasks["b"]])
    assert (answer.status_code, answer.json()["code"]) == (422, "repeated_task")
    assert "targets[0]" in answer.json()["detail"]


def test_a_target_whose_job_did_not_succeed_is_refused_until_it_is_tried_again(
    http: httpx.Client, tasks: dict[str, str]
) -> None:
    job_id = http.get(f"/v1/tasks/{tasks['b']}").json()["job_id"]
    http.post(f"/v1/jobs/{job_id}/cancel")
    answer = ask(http, targets=["a", "b"])
    assert (answer.status_code, answer.json()["code"]) == (422, "unusable_task")
    assert answer.json()["errors"][0]["field"] == "targets[1]"
    assert f"POST /v1/jobs/{job_id}/retry" in answer.json()["detail"]
    assert http.post(f"/v1/jobs/{job_id}/retry").status_code == 202
    assert ask(http, targets=["a", "b"]).status_code == 202


def test_a_deleted_target_is_refused(http: httpx.Client, tasks: dict[str, str]) -> None:
    delete_task(http, tasks["b"])
    answer = ask(http, targets=[tasks["b"]])
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_task")


def delete_task(http: httpx.Client, task_id: str) -> None:
    job_id = http.get(f"/v1/tasks/{task_id}").json()["job_id"]
    http.post(f"/v1/jobs/{job_id}/cancel")
    assert http.delete(f"/v1/tasks/{task_id}").status_code == 204


def test_the_same_request_under_a_key_makes_its_jobs_once(http: httpx.Client, tasks: dict[str, str]) -> None:
    first, second = (ask(http, "k", targets=["a", "b"]) for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()
    assert first.headers["Location"] == second.headers["Location"]
    assert len(jobs_of(http)) == 2
    assert ask(http, targets=["a", "b"]).json() != first.json()


def test_another_request_under_the_key_is_refused(http: httpx.Client, tasks: dict[str, str], task_body: dict) -> None:
    ask(http, "k", targets=["a", "b"])
    for answer in (
        ask(http, "k", targets=["b", "a"]),
        http.post("/v1/tasks", json=task_body | {"name": "c"}, headers={"Idempotency-Key": "k"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert len(jobs_of(http)) == 2


def test_equal_requests_at_the_same_moment_make_their_jobs_once(http: httpx.Client, tasks: dict[str, str]) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: ask(http, "k", targets=["a", "b"]), range(4)))
    assert [answer.status_code for answer in answers] == [202] * 4
    assert all(answer.json() == answers[0].json() for answer in answers)
    assert len(jobs_of(http)) == 2


def test_a_repeated_request_names_a_target_that_was_deleted_too(http: httpx.Client, tasks: dict[str, str]) -> None:
    first = ask(http, "k", targets=["a", "b"])
    job_id = first.json()["jobs"][1]["job_id"]
    http.post(f"/v1/jobs/{job_id}/cancel")
    delete_task(http, tasks["b"])
    again = ask(http, "k", targets=["a", "b"])
    assert again.status_code == 202
    assert [job["state"] for job in again.json()["jobs"]] == ["queued", "cancelled"]
    assert [job["target"] for job in again.json()["jobs"]] == [job["target"] for job in first.json()["jobs"]]
