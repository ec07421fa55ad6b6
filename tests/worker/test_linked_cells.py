"""The trained cell of a target, from the answer of its recommendation."""

from collections.abc import Callable
from typing import Any

import pytest
from safetensors.torch import load as load_safetensors

from worker.registry import Engine, JobRow, JobState, reading, unit_of_work
from worker.settings import Settings
from worker.storage.artifacts import open_store

ACROSS = {"groups": [["across"]], "rest": True, "balance": False}


@pytest.fixture
def recommended(engine: Engine, add_recommendation, finish: Callable[[str], JobRow]) -> Callable[..., dict[str, Any]]:
    """The document of a finished recommendation with this request."""

    def ask(**request: Any) -> dict[str, Any]:
        job = finish(add_recommendation(labels=ACROSS, repetitions=1, request=request))
        assert job.state is JobState.SUCCEEDED, job.error
        with reading(engine) as registry:
            return registry.recommendations.get("answer").document

    return ask


def test_a_promoted_target_brings_the_cell_that_its_recommendation_ended_with(
    engine: Engine, settings: Settings, recommended, cells_of, trainings_of
) -> None:
    answer = recommended(final={"seeds": 2})
    (cell,) = cells_of("target-of-answer")
    assert cell.design == answer["architecture"]["design"]
    with unit_of_work(engine) as registry:
        architecture = registry.architectures.get(answer["architecture"]["id"])
        assert registry.recommendations.promote("answer", "stripes").id == "target-of-answer"
    exported, stored = (
        load_safetensors(open_store(settings).read(row.weights)) for row in (architecture, cell.network)
    )
    assert exported.keys() == stored.keys()
    assert all(bool((tensor == stored[name]).all()) for name, tensor in exported.items())
    assert [found.network.key for found in cells_of("target-of-answer")] == [cell.network.key]
    trainings = trainings_of("target-of-answer")
    assert [(own.training.epochs, own.training.genotype) for own in trainings] == [(1, cell.design["genotype"])] * 2
    assert [own.training.key for own in trainings if own.weights] == [cell.network.key]


def test_a_cell_that_started_from_the_weights_of_another_task_is_not_linked(
    add_task, finish, recommended, cells_of, trainings_of
) -> None:
    """The images of that task formed its weights too, and `TaskRow.seen_images` of the target does not list them."""
    finish(add_task("three", repetitions=1))
    assert recommended(final={"warm_start": True})["warm_start"]["name"] == "three"
    assert cells_of("target-of-answer") == trainings_of("target-of-answer") == []


@pytest.mark.parametrize(("kind", "linked"), [("cell", 1), ("plain", 0)])
def test_a_race_links_its_winner_if_it_is_a_cell(recommended, cells_of, trainings_of, kind: str, linked: int) -> None:
    recommended(search={"strategy": "race"}, budget={"seconds": 1}, candidates=[kind])
    assert len(cells_of("target-of-answer")) == linked
    assert [own.training.epochs for own in trainings_of("target-of-answer")] == [None] * linked
