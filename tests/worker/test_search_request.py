"""The search that a recommendation's request describes: strategy, budget, constraints."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ldnas.data.task_data import ImageSet
from ldnas.search.names import STRATEGIES
from ldnas.search.repeated_splits import OverSplits
from ldnas.space.complexity import parameters
from ldnas.space.genotype import Genotype
from ldnas.space.skeleton import Skeleton, default_skeleton
from ldnas.space.space import FULL_SPACE
from worker.jobs import recommend as recommendation
from worker.jobs.checkpoints import Checkpoints
from worker.jobs.context import JobContext
from worker.jobs.recommend import _Steps
from worker.jobs.stages.answer import Answer
from worker.jobs.stages.latency import ChosenCell
from worker.jobs.stages.search_plan import target_search, warning_of
from worker.jobs.stages.space import FoundSpace
from worker.registry import Engine, JobRow, JobState, reading, unit_of_work
from worker.registry.recommendations import Recommendations
from worker.settings import Settings
from worker.specification import RecommendationRequest
from worker.storage.artifacts import open_store

Finish = Callable[[str], JobRow]


def wish(**fields: Any) -> RecommendationRequest:
    """A request for a search with these fields, by `fuse` if they do not name another strategy."""
    body = {"dataset": {"uri": "builtin://digits"}, "search": {"strategy": "fuse"}, **fields}
    return RecommendationRequest.model_validate(body)


@pytest.fixture
def answer(engine: Engine, finish: Finish, add_recommendation: Callable[..., str]) -> Callable[..., dict[str, Any]]:
    """The document of a finished recommendation with this request."""

    def ask(**request: Any) -> dict[str, Any]:
        job = finish(add_recommendation("one", repetitions=1, request=request))
        assert job.state == JobState.SUCCEEDED, job.error
        with reading(engine) as registry:
            return registry.recommendations.get("one").document

    return ask


@pytest.mark.parametrize("strategy", ["random", "darts"])
def test_the_strategy_that_is_asked_for_searches(answer: Callable[..., dict[str, Any]], strategy: str) -> None:
    found = answer(search={"strategy": strategy})["search"]
    assert found["strategy"] == strategy in STRATEGIES
    assert found["scored"] >= 1
    assert found["forecast"]["job"] > found["forecast"]["search"] > 0


def test_the_network_keeps_the_limits_and_a_narrower_skeleton_helps_it_to(
    answer: Callable[..., dict[str, Any]],
) -> None:
    found = answer(constraints={"max_parameters": 3000, "max_latency_ms": 10_000})
    architecture = found["architecture"]
    skeleton = Skeleton.from_json(architecture["skeleton"])
    assert skeleton == Skeleton.from_json(found["search_space"]["skeleton"])
    assert parameters(Genotype.from_json(architecture["genotype"]), skeleton) == architecture["parameters"] <= 3000
    assert found["search"]["latency_table"]["stage_ms"]
    assert found["search"]["constraints"] == {"max_parameters": 3000, "max_latency_ms": 10_000}


def test_limits_that_no_network_can_meet_fail_the_job_before_anything_is_trained(
    engine: Engine, finish: Finish, add_recommendation: Callable[..., str]
) -> None:
    job = finish(add_recommendation("one", request={"constraints": {"max_parameters": 10}}))
    assert job.state == JobState.FAILED
    assert job.error is not None
    assert "nearest possible value" in job.error["detail"]
    with reading(engine) as registry:
        kinds = [event.kind for event in registry.jobs.events_after(job.id)]
    assert "network" not in kinds


def test_networks_from_several_seeds_have_a_spread_and_little_data_a_warning(
    answer: Callable[..., dict[str, Any]],
) -> None:
    found = answer(final={"seeds": 2})
    assert found["test"]["seeds"] == 2
    assert found["test"]["std_over_seeds"] is not None
    assert any(warning.startswith("little data") for warning in found["warnings"])


def test_a_budget_in_seconds_cuts_the_final_training_to_the_seconds_left(answer: Callable[..., dict[str, Any]]) -> None:
    found = answer(budget={"seconds": 0.5})
    assert found["search"]["final_epochs"] == 1
    assert any("of the 0.5 seconds" in warning for warning in found["warnings"])
    assert found["search"]["scored"] >= 1


def _context(settings: Settings, engine: Engine, job: JobRow) -> JobContext:
    store = open_store(settings)
    checkpoints = Checkpoints(engine, store, job.id, job.attempt, job.checkpoint)
    return JobContext(settings, engine, store, checkpoints, job.id, job.attempt, torch.device("cpu"))


def test_a_resumed_recommendation_keeps_the_epochs_and_the_cell_that_were_chosen(
    settings: Settings, engine: Engine, claim: Callable[[str], JobRow], add_recommendation: Callable[..., str]
) -> None:
    job_id = add_recommendation("one", request={"budget": {"seconds": 60}})
    job = claim(job_id)
    forecast = {"iteration": 1.0, "search": 10.0, "training": 5.0, "job": 60.0, "spent": 20.0}
    chosen = Genotype(("identity",) * 6)
    cell = ChosenCell(chosen, scored=3, latency_ms=2.5)
    memo = {"forecast": forecast, "final_epochs": 7, "chosen_cell": cell.to_json()}
    with unit_of_work(engine) as registry:
        registry.memos.store(job_id, job.attempt, memo)
    context = _context(settings, engine, job)
    resumed = _Steps(context, Answer(context, "one"), _task(4, 4), None)
    plan = resumed.plan_search(FoundSpace(FULL_SPACE, (), None))
    assert plan.seconds == 10.0
    assert not resumed.search_is_timed()
    assert resumed.choose_cell(plan, []) == cell
    assert resumed._affordable_epochs(plan, cell) == 7


def test_a_choice_and_the_warning_that_belongs_to_it_are_recorded_in_one_transaction(
    settings: Settings,
    engine: Engine,
    claim: Callable[[str], JobRow],
    add_recommendation: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = claim(add_recommendation("one", document={"search": {}}))
    merged: list[set[str]] = []
    merge = Recommendations.merge_document

    def noted(rows: Any, id: str, job_id: str, attempt: int, parts: dict[str, Any]) -> None:
        merged.append(set(parts))
        merge(rows, id, job_id, attempt, parts)

    monkeypatch.setattr(Recommendations, "merge_document", noted)
    cell = ChosenCell(Genotype(("identity",) * 6), 1, 9.0, "all of them are too slow")
    monkeypatch.setattr(recommendation, "fast_enough", lambda *_: cell)
    context = _context(settings, engine, job)
    chooser = _Steps(context, Answer(context, "one"), _task(4, 4), None)
    plan = target_search(_task(4, 4), FULL_SPACE, default_skeleton(8, 2), wish())
    assert chooser.choose_cell(plan, []) == cell
    # A second attempt finds the choice, and must find its warning reported too.
    assert merged == [{"search", "warnings", "cost"}]
    assert chooser.choose_cell(plan, []) == cell
    assert len(merged) == 1


def _task(train: int, validation: int) -> Any:
    """A task of two classes with so many images."""

    def images(count: int) -> ImageSet:
        return ImageSet(torch.zeros(count, 3, 8, 8, dtype=torch.uint8), torch.arange(count) % 2)

    full = SimpleNamespace(train=images(train), validation=images(validation))
    return SimpleNamespace(image_size=8, classes=2, seed=0, search_data_key="data", full=full)


def test_few_validation_images_are_searched_over_splits_under_a_key_of_their_own() -> None:
    skeleton = default_skeleton(8, 2)
    little, enough = (target_search(_task(1000, count), FULL_SPACE, skeleton, wish()) for count in (199, 200))
    balanced = target_search(_task(1000, 199), FULL_SPACE, skeleton, wish(objective="balanced_accuracy"))
    assert (little.splits, enough.splits) == (3, 1)
    assert isinstance(little.searcher(), OverSplits)
    assert enough.searcher() is enough.strategy
    task = _task(1000, 0)
    assert len({plan.key(task) for plan in (little, enough, balanced)}) == 3


@pytest.mark.parametrize(("images", "batch_size"), [(40, 8), (200, 20), (5000, 64)])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_pass_over_few_images_still_has_some_steps(images: int, batch_size: int, strategy: str) -> None:
    plan = target_search(_task(images, 200), FULL_SPACE, default_skeleton(8, 2), wish(search={"strategy": strategy}))
    assert plan.settings["batch_size"] == batch_size


def test_the_answer_says_on_how_many_splits_the_winners_were_compared(answer: Callable[..., dict[str, Any]]) -> None:
    found = answer(budget={"iterations": 2}, objective="macro_f1")["search"]
    assert found["splits"] == 3
    assert found["scored"] >= 2


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_patience_ends_the_search_of_a_strategy_without_a_schedule_and_of_no_other(strategy: str) -> None:
    plan = target_search(_task(200, 200), FULL_SPACE, default_skeleton(8, 2), wish(search={"strategy": strategy}))
    assert (plan.patience is None) == (plan.strategy.max_iterations is not None)
    assert ("patience" in plan.settings) == (plan.patience is not None)


@pytest.mark.parametrize(
    ("strategy", "validation", "iterations", "warned"),
    [
        ("pc_darts", 200, 9, True),
        ("pc_darts", 200, 10, False),
        ("pc_darts", 199, 12, True),
        ("pc_darts", 199, 27, True),
        ("pc_darts", 199, 28, False),
        ("darts", 199, 1, False),
        ("fuse", 199, 1, False),
    ],
)
def test_a_search_that_ends_before_its_strategy_begins_to_choose_is_warned_of(
    strategy: str, validation: int, iterations: int, warned: bool
) -> None:
    request = wish(search={"strategy": strategy}, budget={"iterations": iterations})
    plan = target_search(_task(1000, validation), FULL_SPACE, default_skeleton(8, 2), request)
    warning = warning_of(plan, iterations)
    assert (warning is not None) == warned
    if warning is not None:
        assert f"more than {27 if validation < 200 else 9} are needed" in warning


def test_the_answer_warns_of_a_cell_that_nothing_chose(answer: Callable[..., dict[str, Any]]) -> None:
    warnings = answer(search={"strategy": "pc_darts"}, budget={"iterations": 1})["warnings"]
    assert [warning for warning in warnings if "after 1 in all the cell is one drawn at random" in warning]
