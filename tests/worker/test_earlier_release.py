"""A job that release 0.1.0 began, with its answer as its only memory, ends under this release with the same results."""

from collections.abc import Callable
from typing import Any

import pytest

from ldnas.space.genotype import Genotype
from worker.jobs import recommend as recommendation
from worker.jobs.earlier_release import memo_in_answer
from worker.jobs.stages import control, space
from worker.jobs.stages.warm_start import WarmStart
from worker.registry import Engine, JobRow, JobState, reading

ACROSS = {"groups": [["across"]], "rest": True, "balance": False}
CHOSEN = Genotype(("identity",) * 6).to_json()
FORECAST = {"iteration": 1.0, "search": 10.0, "training": 5.0, "job": 60.0}
SEARCH = {"forecast": FORECAST, "scored": 3, "chosen": CHOSEN, "final_epochs": 7}
START = {"task_id": "gone", "name": "three", "network": "removed"}
BEGUN: dict[str, Any] = {
    "eligibility": [{"task_id": "gone", "name": "three", "eligible": True, "reason": None}],
    "closest": {"task_id": "gone", "name": "three", "distance": 0.25, "probability": 0.9},
    "search_space": {"source_task_ids": ["gone"], "primitives": ["identity", "sep_conv_3x3"]},
    "search": SEARCH,
    "warm_start": START,
    "warnings": ["a warning of the attempt before"],
    "control": {"seconds": 0.3, "search_seconds": 0.2},
}


def test_the_results_that_the_answer_has_are_used_and_none_is_computed_again(
    engine: Engine,
    add_recommendation: Callable[..., str],
    finish: Callable[[str], JobRow],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def computed(*arguments: Any, **options: Any) -> None:
        raise AssertionError("computed although the answer has it")

    for module, names in {
        recommendation: ("forecast_job", "fast_enough", "affordable", "train_source"),
        space: ("find_baselines", "measure_column"),
    }.items():
        for name in names:
            monkeypatch.setattr(module, name, computed)
    starts: list[WarmStart | None] = []
    monkeypatch.setattr(recommendation, "start_network", lambda context, start: starts.append(start))
    seconds: list[control.ControlSeconds] = []
    monkeypatch.setattr(recommendation, "run_control", lambda context, task, plan, report: seconds.append(plan.cost))
    request = {
        "control": True,
        "final": {"warm_start": True},
        "budget": {"seconds": 60},
        "search": {"strategy": "random"},
    }
    job = finish(add_recommendation(labels=ACROSS, repetitions=1, request=request, document=BEGUN))
    assert job.state is JobState.SUCCEEDED, job.error
    with reading(engine) as registry:
        answer = registry.recommendations.get("answer").document
    for part in ("eligibility", "closest", "search_space", "warm_start", "control"):
        assert answer[part] == BEGUN[part], part
    assert answer["search"].items() >= {**SEARCH, "forecast": {**FORECAST, "spent": 0.0}}.items()
    assert answer["warnings"][0] == BEGUN["warnings"][0]
    assert answer["architecture"]["genotype"] == CHOSEN
    assert starts == [WarmStart("gone", "three", "removed")]
    assert seconds == [control.ControlSeconds(0.3, 0.2)]


def test_the_tables_of_latencies_and_the_architectures_of_a_control_are_in_the_memo_too() -> None:
    table = {"device": "cpu", "base_ms": 1.0}
    arms = {"found": {"architectures": [{"genotype": 1}, {"genotype": 2}]}, "random": {"architectures": []}}
    begun = {"search": {"latency_table": table}, "control": {"latency_table": table, **arms}}
    measured = {"table": table, "refusal": None}
    assert memo_in_answer(begun) == {
        "latency_table": measured,
        "control.latency_table": measured,
        "control.found.0": {"genotype": 1},
        "control.found.1": {"genotype": 2},
    }


@pytest.mark.parametrize("document", [{}, {"target": {}, "search": {}}, {"search_space": None, "control": None}])
def test_an_answer_without_results_leaves_the_memo_empty(document: dict[str, Any]) -> None:
    assert memo_in_answer(document) == {}


def test_a_result_of_none_is_a_result() -> None:
    begun = {"search": {"final_epochs": None}, "warm_start": None}
    assert memo_in_answer(begun) == {"final_epochs": None, "warm_start": {"start": None, "warning": None}}
