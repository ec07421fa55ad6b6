"""One distance in detail."""

import httpx
import pytest

from ldnas.recipe import default_recipe
from tests.service.measured import keep_distance
from worker.registry import Engine


@pytest.fixture
def tasks(measured_tasks: dict[str, str]) -> dict[str, str]:
    return measured_tasks


def test_one_pair_is_shown_in_detail(http: httpx.Client, tasks: dict[str, str], engine: Engine) -> None:
    layers = {"measure": "log_det", "standard_error": 0.25}
    keep_distance(engine, "b0", "a0", 1.0, **layers, contributions=[["stem", 0.75], ["block", 0.25]])
    keep_distance(engine, "b1", "a1", 2.0, **layers | {"standard_error": 0.75}, contributions=[["block", 2.0]])
    answer = http.get(f"/v1/distances/b/{tasks['a']}", params={"measure": "log_det"})
    assert answer.status_code == 200
    detail = answer.json()
    assert (detail["source"], detail["target"]["name"]) == ({"id": tasks["b"], "name": "b"}, "a")
    assert (detail["measure"], detail["recipe"]["network"]) == ("log_det", "small_cnn")
    assert detail["recipe"]["digest"] == default_recipe("small_cnn").digest
    assert (detail["mean"], detail["std"], detail["signed"]) == (1.5, pytest.approx(0.5**0.5), -1.5)
    assert detail["standard_error"] == 0.5
    assert detail["contributions"] == [{"layer": "block", "value": 1.125}, {"layer": "stem", "value": 0.375}]
    first, second = detail["repetitions"]
    assert first.pop("measured_at") is not None
    assert first == {
        "repetition": 0,
        "source_network": "b0",
        "target_network": "a0",
        "value": 1.0,
        "signed": -1.0,
        "standard_error": 0.25,
    }
    assert (second["repetition"], second["value"]) == (1, 2.0)
    tag = answer.headers["ETag"]
    again = http.get("/v1/distances/b/a", params={"measure": "log_det"}, headers={"If-None-Match": tag})
    assert again.status_code == 304


def test_what_a_measure_does_not_know_of_a_pair_is_null(http: httpx.Client, tasks: dict[str, str]) -> None:
    detail = http.get("/v1/distances/a/t").json()
    assert (detail["mean"], detail["std"]) == (0.5, None)
    assert (detail["standard_error"], detail["contributions"]) == (None, None)


@pytest.mark.parametrize(("path", "missing"), [("nowhere/a", "nowhere"), ("a/nowhere", "nowhere"), ("-/a", None)])
def test_a_pair_of_which_one_task_is_missing_is_404(
    http: httpx.Client, tasks: dict[str, str], path: str, missing: str | None
) -> None:
    answer = http.get(f"/v1/distances/{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    if missing:
        assert repr(missing) in answer.json()["detail"]


def test_a_pair_that_was_not_measured_says_how_to_measure_it(http: httpx.Client, tasks: dict[str, str]) -> None:
    answer = http.get("/v1/distances/b/a", params={"measure": "frechet"})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_measured")
    detail = answer.json()["detail"]
    body = detail[detail.index("{") : detail.index("}") + 1]
    asked = http.post("/v1/distances", content=body, headers={"Content-Type": "application/json"})
    assert asked.status_code == 202
    job = http.get(asked.headers["Location"]).json()
    assert (job["params"]["sources"], job["params"]["measures"]) == ([tasks["b"]], ["frechet"])
