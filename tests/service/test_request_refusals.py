"""Every refusal at the two POSTs: the status, the code, and the field that is named. Nothing is stored."""

import copy
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest

from ldnas.objectives import OBJECTIVES
from ldnas.search.names import STRATEGIES
from ldnas.space.genotype import EDGES
from worker.settings import Settings
from worker.specification import RACE, Objective, Strategy

POSTS = ("/v1/tasks", "/v1/recommendations")

# Changes to a valid body, the code of the refusal (in SHAPE always `invalid_request`), and the field that it names.
SHAPE = [
    ({"nonsense": 1}, "nonsense"),
    ({"dataset": {"uri": "builtin://digits", "nonsense": 1}}, "dataset.nonsense"),
    ({"dataset": {}}, "dataset.uri"),
    ({"dataset": "builtin://digits"}, "dataset"),
    ({"dataset": {"uri": ""}}, "dataset.uri"),
    ({"dataset": {"uri": "builtin://digits\x00"}}, "dataset.uri"),
    ({"name": ""}, "name"),
    ({"name": "x" * 65}, "name"),
    ({"name": "=cmd()"}, "name"),
    ({"name": "two\nlines"}, "name"),
    ({"epsilon": 1.5}, "epsilon"),
    ({"epsilon": -0.1}, "epsilon"),
    ({"epsilon": "0.2"}, "epsilon"),
    ({"repetitions": 0}, "repetitions"),
    ({"repetitions": 3.0}, "repetitions"),
    ({"repetitions": "3"}, "repetitions"),
    ({"repetitions": True}, "repetitions"),
    ({"seed": -1}, "seed"),
    ({"seed": 2**31}, "seed"),
    ({"image_size": 7}, "image_size"),
    ({"image_size": 257}, "image_size"),
    ({"labels": {}}, "labels.groups"),
    ({"labels": {"groups": [[1]], "rests": True}}, "labels.rests"),
    ({"labels": {"groups": [[1], [True]]}}, "labels.groups[1][0]"),
    ({"labels": {"groups": [[1], [2.0]]}}, "labels.groups[1][0]"),
    ({"labels": {"groups": [[1], [-1]]}}, "labels.groups[1][0]"),
    ({"labels": {"groups": [[1], [2]], "rest": "yes"}}, "labels.rest"),
]
MEANING = [
    ({"dataset": {"uri": "digits"}}, "invalid_reference", "dataset.uri"),
    ({"dataset": {"uri": "ftp://host/x"}}, "invalid_reference", "dataset.uri"),
    ({"dataset": {"uri": "builtin://nonsense"}}, "invalid_reference", "dataset.uri"),
    ({"dataset": {"uri": "torchvision://nonsense"}}, "invalid_reference", "dataset.uri"),
    ({"dataset": {"uri": "https://host/x.zip"}}, "forbidden_location", "dataset.uri"),
    ({"dataset": {"uri": "https://user:secret@host/x.zip"}}, "forbidden_location", "dataset.uri"),
    ({"dataset": {"uri": "https://127.0.0.1/x.zip"}}, "forbidden_location", "dataset.uri"),
    ({"dataset": {"uri": "s3://bucket/x.zip"}}, "forbidden_location", "dataset.uri"),
    ({"dataset": {"uri": "s3://Bucket/x.zip"}}, "invalid_reference", "dataset.uri"),
    ({"dataset": {"uri": "https://host/"}}, "invalid_reference", "dataset.uri"),
    ({"dataset": {"uri": "file://host/x"}}, "invalid_reference", "dataset.uri"),
    ({"dataset": {"uri": "file:///etc/passwd"}}, "forbidden_location", "dataset.uri"),
    ({"dataset": {"uri": "builtin://digits", "format": "tar"}}, "invalid_reference", "dataset.format"),
    (
        {"dataset": {"uri": "builtin://digits", "fractions": {"train": 0.5, "validation": 0.1, "test": 0.1}}},
        "invalid_reference",
        "dataset.fractions",
    ),
    ({"labels": {"groups": []}}, "invalid_mapping", "labels.groups"),
    ({"labels": {"groups": [[1], []]}}, "invalid_mapping", "labels.groups[1]"),
    ({"labels": {"groups": [[1], [2, 1]]}}, "invalid_mapping", "labels.groups[1]"),
    ({"labels": {"groups": [[1]]}}, "invalid_mapping", "labels.groups"),
    ({"labels": {"groups": [[1], [2]], "balance": True}}, "invalid_mapping", "labels.balance"),
    ({"network": "vgg17"}, "unknown_network", "network"),
]


def refused(http: httpx.Client, path: str, body: Any) -> dict[str, Any]:
    answer = http.post(path, json=body)
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["instance"] == path
    assert problem["type"] == "urn:ldnas:problem:" + problem["code"].replace("_", "-")
    assert problem["title"]
    assert problem["detail"]
    assert http.get("/v1/jobs").json()["items"] == []
    return problem


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(("change", "field"), SHAPE, ids=str)
def test_a_body_of_another_shape_is_refused_by_its_field(
    http: httpx.Client, task_body: dict, path: str, change: dict, field: str
) -> None:
    problem = refused(http, path, task_body | change)
    assert (problem["status"], problem["code"]) == (422, "invalid_request")
    assert [error["field"] for error in problem["errors"]] == [field]


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(("change", "code", "field"), MEANING, ids=str)
def test_a_body_that_names_what_cannot_be_is_refused_by_its_field(
    http: httpx.Client, task_body: dict, path: str, change: dict, code: str, field: str
) -> None:
    problem = refused(http, path, task_body | change)
    assert (problem["status"], problem["code"]) == (422, code)
    assert problem["errors"][0]["field"] == field


def test_every_field_at_fault_is_named_at_once(http: httpx.Client) -> None:
    problem = refused(http, "/v1/tasks", {"epsilon": 2, "dataset": {"url": "x"}})
    assert {error["field"] for error in problem["errors"]} == {"name", "epsilon", "dataset.uri", "dataset.url"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"budget": {}}, "budget"),
        ({"budget": {"iterations": 3, "seconds": 5}}, "budget"),
        ({"budget": {"seconds": 0}}, "budget.seconds"),
        ({"constraints": {"max_parameters": 0}}, "constraints.max_parameters"),
        ({"constraints": {"max_latency_ms": "fast"}}, "constraints.max_latency_ms"),
        ({"objective": "speed"}, "objective"),
        ({"final": {"seeds": 11}}, "final.seeds"),
        ({"final": {"warm_start": 1}}, "final.warm_start"),
        ({"search": {"strategy": "magic"}}, "search.strategy"),
        ({"search": {"strategy": "darts", "candidates": 4}}, "search.candidates"),
        ({"image_size": 32, "constraints": {"max_parameters": 10}}, "constraints.max_parameters"),
        ({"budget": {"iterations": 0}}, "budget.iterations"),
        ({"budget": {"hours": 1}}, "budget.hours"),
        ({"search": {"candidates": 1}}, "search.candidates"),
        ({"search": {"k": 0}}, "search.k"),
        ({"search": {"strategy": "fuse", "space": "known"}}, "search.space"),
        ({"search": {"strategy": "random", "space": "nearby"}}, "search.space"),
        ({"measure": "cosine"}, "measure"),
        ({"priority": 101}, "priority"),
        ({"require_approximation": 1}, "require_approximation"),
    ],
    ids=str,
)
def test_an_impossible_wish_for_a_search_is_refused(
    http: httpx.Client, task_body: dict, change: dict, field: str
) -> None:
    problem = refused(http, "/v1/recommendations", task_body | change)
    assert field in {error["field"] for error in problem["errors"]}


MINE = {"architecture": "resnet10t", "weights": "dataset://mine"}
"""A network with weights that were not uploaded."""


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"budget": {"iterations": 3}}, "budget.iterations"),
        ({"search": {"strategy": "race", "candidates": 4}}, "search.candidates"),
        ({"search": {"strategy": "race", "rounds": 2}}, "search.rounds"),
        ({"search": {"strategy": "race", "space": "nearby"}}, "search.space"),
        ({"final": {"seeds": 2}}, "final.seeds"),
        ({"final": {"warm_start": True}}, "final.warm_start"),
        ({"candidates": []}, "candidates"),
        ({"candidates": ["tree"]}, "candidates[0]"),
        ({"candidates": ["cell", "plain", "pretrained", "cell"]}, "candidates"),
        ({"search": {"strategy": "fuse"}, "candidates": ["plain"]}, "candidates"),
        ({"search": {}, "budget": {"iterations": 2}, "candidates": ["plain"]}, "candidates"),
        ({"search": {"strategy": "fuse"}, "pretrained": MINE}, "pretrained"),
        ({"candidates": ["cell"], "pretrained": MINE}, "pretrained"),
        ({"pretrained": MINE | {"architecture": "hf-hub:someone/model"}}, "pretrained.architecture"),
        ({"pretrained": MINE | {"architecture": "torchvision/../resnet18"}}, "pretrained.architecture"),
        ({"pretrained": MINE | {"architecture": "timm/resnet18"}}, "pretrained.architecture"),
        ({"pretrained": {"architecture": "resnet10t"}}, "pretrained.weights"),
        ({"pretrained": MINE | {"weights": "file:///weights"}}, "pretrained.weights"),
        ({"pretrained": MINE}, "pretrained.weights"),
    ],
    ids=str,
)
def test_a_race_takes_seconds_and_kinds_alone(http: httpx.Client, task_body: dict, change: dict, field: str) -> None:
    race = task_body | {"search": {"strategy": "race", "space": "known"}}
    problem = refused(http, "/v1/recommendations", race | change)
    assert problem["status"] == 422
    assert [error["field"] for error in problem["errors"]] == [field]
    allowed = {
        "budget": {"seconds": 90},
        "control": True,
        "candidates": ["plain", "cell"],
        "constraints": {"max_parameters": 9000},
    }
    assert http.post("/v1/recommendations", json=race | allowed).status_code == 202


def test_a_baseline_that_does_not_exist_is_named_next_to_those_that_do(http: httpx.Client, task_body: dict) -> None:
    problem = refused(http, "/v1/recommendations", task_body | {"baselines": ["nowhere"]})
    assert (problem["status"], problem["code"]) == (422, "unknown_baseline")
    assert problem["errors"][0]["field"] == "baselines[0]"
    assert "nowhere" in problem["detail"]
    http.post("/v1/tasks", json=task_body)
    answer = http.post("/v1/recommendations", json=task_body | {"baselines": ["odd_or_even", "nowhere"]})
    assert answer.json()["errors"][0]["field"] == "baselines[1]"
    assert "odd_or_even" in answer.json()["detail"]


GOOD = {"edges": [[start, end, "identity"] for start, end in EDGES]}


@pytest.mark.parametrize(
    ("spoil", "field"),
    [
        (lambda edges: edges[3].__setitem__(2, "conv9x9"), "genotypes[1].edges[3]"),
        (lambda edges: edges[3].__setitem__(1, 7), "genotypes[1].edges[3]"),
        (lambda edges: edges.pop(), "genotypes[1].edges"),
        (lambda edges: edges.append(edges[0]), "genotypes[1].edges[6]"),
        (lambda edges: edges[3].__setitem__(0, "0"), "genotypes[1].edges[3][0]"),
        (lambda edges: edges[3].pop(), "genotypes[1].edges[3][2]"),
    ],
    ids=["primitive", "node", "missing edge", "edge twice", "text for a node", "no primitive"],
)
def test_a_bad_genotype_is_refused_by_its_edge(http: httpx.Client, task_body: dict, spoil: Any, field: str) -> None:
    bad = copy.deepcopy(GOOD)
    spoil(bad["edges"])
    problem = refused(http, "/v1/tasks", task_body | {"genotypes": [GOOD, bad]})
    assert problem["status"] == 422
    assert problem["errors"][0]["field"] == field


@pytest.mark.parametrize(
    ("study", "field"),
    [
        ({"cells": -1}, "study.cells"),
        ({"cells": 5}, "study.cells"),
        ({"cells": "2"}, "study.cells"),
        ({"cells": 2.0}, "study.cells"),
        ({"cells": True}, "study.cells"),
        ({"seconds": 0}, "study.seconds"),
        ({"seconds": "9"}, "study.seconds"),
        ({"cells": 1, "epochs": 3}, "study.epochs"),
        (2, "study"),
    ],
    ids=str,
)
def test_a_study_of_another_shape_is_refused(http: httpx.Client, task_body: dict, study: Any, field: str) -> None:
    problem = refused(http, "/v1/tasks", task_body | {"study": study})
    assert problem["status"] == 422
    assert [error["field"] for error in problem["errors"]] == [field]


def test_an_empty_list_of_genotypes_is_refused(http: httpx.Client, task_body: dict) -> None:
    assert refused(http, "/v1/tasks", task_body | {"genotypes": []})["errors"][0]["field"] == "genotypes"


@pytest.mark.parametrize("path", POSTS)
def test_a_link_that_leads_out_of_the_roots_is_followed_and_refused(
    http: httpx.Client, task_body: dict, settings: Settings, tmp_path: Path, path: str
) -> None:
    root = settings.dataset_roots[0]
    outside = tmp_path / "outside"
    outside.mkdir()
    (root / "link").symlink_to(outside)
    for location in (root / "link", root / ".." / ".." / "outside", outside):
        problem = refused(http, path, task_body | {"dataset": {"uri": f"file://{location}"}})
        assert (problem["status"], problem["code"]) == (422, "forbidden_location")


def test_a_file_that_is_not_there_is_refused_and_one_that_is_there_is_not(
    http: httpx.Client, task_body: dict, settings: Settings
) -> None:
    folder = settings.dataset_roots[0] / "scans"
    body = task_body | {"dataset": {"uri": f"file://{folder}"}}
    assert refused(http, "/v1/tasks", body)["code"] == "dataset_not_found"
    folder.mkdir()
    assert http.post("/v1/tasks", json=body).status_code == 202


def test_the_strategies_that_may_be_asked_for_are_those_that_there_are() -> None:
    assert get_args(Strategy) == (*STRATEGIES, RACE)
    assert get_args(Objective) == OBJECTIVES


def test_an_unknown_strategy_is_answered_with_the_known_ones(http: httpx.Client, task_body: dict) -> None:
    problem = refused(http, "/v1/recommendations", task_body | {"search": {"strategy": "magic"}})
    assert all(name in problem["detail"] for name in STRATEGIES)


def test_a_limit_that_nothing_can_keep_is_answered_with_the_nearest_possible_one(
    http: httpx.Client, task_body: dict
) -> None:
    wish = {"image_size": 8, "labels": {"groups": [[1]], "rest": True}, "constraints": {"max_parameters": 10}}
    problem = refused(http, "/v1/recommendations", task_body | wish)
    # 4 and 8 channels: stem 27·4 + 8, reduction 36·8 + 16, head 8·2 + 2.
    assert "nearest possible value is 438" in problem["detail"]
    wish["constraints"] = {"max_parameters": 438}
    assert http.post("/v1/recommendations", json=task_body | wish).status_code == 202
