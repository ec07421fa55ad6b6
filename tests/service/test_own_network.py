"""Registering a task that brings the weights of its network."""

from typing import Any

import httpx
import numpy as np
import pytest
from safetensors.numpy import save as save_safetensors

from worker.registry import Engine, reading

OWN = {"architecture": "small_cnn", "weights": "dataset://mine"}
BODY: dict[str, Any] = {"name": "own", "dataset": {"uri": "builtin://digits"}, "network": OWN}


@pytest.fixture
def weights(http: httpx.Client) -> None:
    content = save_safetensors({"head.weight": np.zeros((2, 3), np.float32)})
    assert http.put("/v1/datasets/mine", content=content).status_code == 201


def test_such_a_task_has_one_repetition(http: httpx.Client, weights: None) -> None:
    answer = http.post("/v1/tasks", json=BODY)
    assert answer.status_code == 202, answer.text
    task = answer.json()
    assert (task["network"], task["weights"], task["repetitions"]) == ("small_cnn", "dataset://mine", 1)
    assert http.post("/v1/tasks", json=BODY | {"name": "again", "repetitions": 1}).status_code == 202
    plain = http.post("/v1/tasks", json=BODY | {"name": "plain", "network": "small_cnn"}).json()
    assert (plain["network"], plain["weights"], plain["repetitions"]) == ("small_cnn", None, 3)


def test_weights_are_kept_for_as_long_as_a_task_has_them(http: httpx.Client, weights: None) -> None:
    http.post("/v1/tasks", json=BODY)
    refused = http.delete("/v1/datasets/mine")
    assert (refused.status_code, "'own'" in refused.json()["detail"]) == (409, True)


REFUSALS: list[tuple[dict[str, Any], str, str]] = [
    ({"network": OWN | {"architecture": "vgg17"}}, "unknown_network", "network.architecture"),
    ({"network": OWN | {"weights": "dataset://other"}}, "dataset_not_found", "network.weights"),
    ({"network": OWN | {"weights": "mine"}}, "invalid_reference", "network.weights"),
    ({"network": OWN | {"weights": "file:///mine"}}, "invalid_reference", "network.weights"),
    ({"network": OWN | {"weights": "dataset://stripes"}}, "unreadable_dataset", "network.weights"),
    ({"network": {"architecture": "small_cnn"}}, "invalid_request", "network.weights"),
    ({"network": OWN | {"seed": 1}}, "invalid_request", "network.seed"),
    ({"network": 3}, "invalid_request", "network"),
    ({"network": ["small_cnn"]}, "invalid_request", "network"),
    ({"network": ""}, "invalid_request", "network"),
    ({"repetitions": 3}, "invalid_request", "repetitions"),
]


@pytest.mark.parametrize(("change", "code", "field"), REFUSALS, ids=[str(case[0]) for case in REFUSALS])
def test_an_invalid_network_of_ones_own_is_refused_by_its_field(
    http: httpx.Client, weights: None, stripes_zip: bytes, change: dict[str, Any], code: str, field: str
) -> None:
    http.put("/v1/datasets/stripes", content=stripes_zip)
    answer = http.post("/v1/tasks", json=BODY | change)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, code)
    assert [error["field"] for error in problem["errors"]] == [field]
    assert http.get("/v1/tasks").json()["items"] == []


def test_a_race_takes_a_pretrained_network_whose_weights_stay(
    http: httpx.Client, weights: None, stripes_zip: bytes, engine: Engine
) -> None:
    pretrained = {"architecture": "torchvision/resnet18", "weights": "dataset://mine"}
    race = {"name": "raced", "dataset": {"uri": "builtin://digits"}, "search": {"strategy": "race"}}
    assert http.post("/v1/recommendations", json=race | {"pretrained": pretrained}).status_code == 202
    refused = http.delete("/v1/datasets/mine")
    assert (refused.status_code, "'raced'" in refused.json()["detail"]) == (409, True)
    with reading(engine) as registry:
        assert registry.datasets.uses(["mine"]) == {"mine": 1}
    http.put("/v1/datasets/stripes", content=stripes_zip)
    images = http.post("/v1/recommendations", json=race | {"pretrained": pretrained | {"weights": "dataset://stripes"}})
    assert [error["field"] for error in images.json()["errors"]] == ["pretrained.weights"]


def test_a_recommendation_names_its_network(http: httpx.Client, weights: None) -> None:
    body = {"dataset": {"uri": "builtin://digits"}, "network": OWN}
    assert http.post("/v1/recommendations", json=body).status_code == 422
