"""A stored request means the same to every version: absent fields have defaults, unknown ones are ignored."""

from typing import Any

import pytest
from pydantic import ValidationError

from ldnas.space.constraints import UNLIMITED, Constraints
from worker.specification import (
    BudgetRequest,
    ColumnParams,
    FinalRequest,
    RecommendationRequest,
    SearchRequest,
    TrainingParams,
)

# As releases since 0.1.0 store it: without the fields that were null, with the reference and the mapping in full.
STORED: dict[str, Any] = {
    "name": "small primes",
    "dataset": {
        "uri": "file:///data/digits.parquet",
        "format": "parquet",
        "label_column": "digit",
        "fractions": {"train": 0.6, "validation": 0.2, "test": 0.2},
    },
    "labels": {"groups": [[2, 3, "five"]], "rest": True, "balance": False},
    "epsilon": 0.1,
    "repetitions": 2,
    "require_approximation": True,
    "measure": "log_det",
    "baselines": ["odd or even"],
    "objective": "balanced_accuracy",
    "budget": {"seconds": 120},
    "constraints": {"max_parameters": 50_000, "max_latency_ms": 20},
    "search": {"strategy": "evolution", "candidates": 6, "k": 3},
    "final": {"seeds": 3},
    "control": True,
    "seed": 7,
    "priority": 10,
}
PARTS = [
    (),
    ("dataset",),
    ("dataset", "fractions"),
    ("labels",),
    ("budget",),
    ("constraints",),
    ("search",),
    ("final",),
]


def with_unknown(path: tuple[str, ...]) -> dict[str, Any]:
    """The stored request, with a field of another version in this part."""
    if not path:
        return {**STORED, "of_another_version": 1}
    first, *rest = path
    part = {**STORED[first]}
    if rest:
        part[rest[0]] = {**part[rest[0]], "of_another_version": 1}
    else:
        part["of_another_version"] = 1
    return {**STORED, first: part}


def test_a_request_that_the_version_before_stored_is_read_in_full() -> None:
    request = RecommendationRequest.from_storage(STORED)
    assert request.model_dump(mode="json", exclude_unset=True) == STORED
    assert request.limits == Constraints(max_parameters=50_000, max_latency_ms=20)
    assert request.final == FinalRequest(seeds=3, warm_start=False)
    assert request.search == SearchRequest(strategy="evolution", candidates=6, rounds=None, k=3)
    assert request.budget == BudgetRequest(seconds=120)


def test_an_absent_field_has_its_default() -> None:
    request = RecommendationRequest.from_storage({"dataset": {"uri": "builtin://digits"}, "labels": None})
    assert (request.strategy, request.measure, request.objective) == ("race", "log_det_layerwise", "accuracy")
    assert (request.final.seeds, request.final.warm_start, request.control) == (1, False, False)
    assert (request.budget, request.baselines, request.limits) == (None, None, UNLIMITED)


@pytest.mark.parametrize(
    "setting",
    [
        {"budget": {"iterations": 2}},
        {"search": {"candidates": 4}},
        {"search": {"rounds": 2}},
        {"final": {"seeds": 2}},
        {"final": {"warm_start": True}},
    ],
    ids=str,
)
def test_a_setting_that_a_race_does_not_take_makes_fuse_the_default(setting: dict[str, Any]) -> None:
    body = {"dataset": {"uri": "builtin://digits"}, **setting}
    assert RecommendationRequest.model_validate(body).strategy == "fuse"
    named = body | {"search": {**setting.get("search", {}), "strategy": "race"}}
    assert RecommendationRequest.model_validate(named).strategy == "race"


def test_seconds_and_k_leave_the_default_a_race() -> None:
    body = {"dataset": {"uri": "builtin://digits"}, "budget": {"seconds": 60}, "search": {"k": 2}}
    request = RecommendationRequest.model_validate(body)
    assert (request.strategy, request.race_seconds) == ("race", 60)


@pytest.mark.parametrize("path", PARTS, ids=".".join)
def test_an_unknown_field_is_ignored_in_storage_and_refused_by_the_api(path: tuple[str, ...]) -> None:
    value = with_unknown(path)
    assert RecommendationRequest.from_storage(value) == RecommendationRequest.from_storage(STORED)
    with pytest.raises(ValidationError, match="of_another_version"):
        RecommendationRequest.model_validate(value)


def test_params_that_the_version_before_stored_are_read() -> None:
    stored = {"target_task_id": "t", "sources": None, "measures": ["log_det"], "repetitions": None, "jobs": [{}]}
    assert ColumnParams.from_storage(stored) == ColumnParams(target_task_id="t", measures=["log_det"])
    again = {"architecture_id": "new", "source_architecture_id": "old", "task_id": "t", "job_id": "j", "name": "n"}
    assert TrainingParams.from_storage(again).objective == "accuracy"
