"""What a recommendation's request says of its search: strategy, budget, constraints."""

from collections.abc import Callable
from typing import Any

import pytest

from ldnas.search.names import STRATEGIES
from ldnas.space.complexity import parameters
from ldnas.space.genotype import Genotype
from ldnas.space.skeleton import Skeleton
from worker.registry.models import Job, JobState
from worker.registry.session import Engine, reading

Finish = Callable[[str], Job]


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


def test_what_no_network_can_keep_fails_before_anything_is_trained(
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


def test_a_budget_in_seconds_cuts_the_final_training_to_what_is_left(answer: Callable[..., dict[str, Any]]) -> None:
    found = answer(budget={"seconds": 0.5})
    assert found["search"]["final_epochs"] == 1
    assert any("of the 0.5 seconds" in warning for warning in found["warnings"])
    assert found["search"]["scored"] >= 1
