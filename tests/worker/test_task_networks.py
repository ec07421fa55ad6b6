"""How many networks represent a target: all that were asked for, or what a tenth of a race's seconds suffices for."""

from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from ldnas.errors import InvalidReferenceError
from ldnas.training.train import TrainConfig
from worker.jobs import recommend
from worker.jobs.stages import fit
from worker.jobs.stages.fit import affordable_networks
from worker.registry import Engine, JobRow, JobState, reading


@pytest.fixture(autouse=True)
def only_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job ends after its networks."""

    def refuse(*arguments: Any) -> NoReturn:
        raise InvalidReferenceError("the job has its networks", field="dataset.uri")

    monkeypatch.setattr(recommend, "find_space", refuse)
    monkeypatch.setattr(fit, "TASK_NETWORK_CONFIG", TrainConfig(epochs=1))


@pytest.mark.parametrize(
    ("request_", "networks"),
    [
        ({"search": {"strategy": "race"}, "budget": {"seconds": 0.001}}, 1),
        ({"search": {"strategy": "race"}, "budget": {"seconds": 600}}, 2),
        ({"search": {"strategy": "race"}, "budget": {"seconds": 0.001}, "repetitions": 2}, 2),
        ({"search": {"strategy": "fuse"}, "budget": {"seconds": 0.001}}, 2),
    ],
    ids=["a short race", "a long race", "their number is given", "a search"],
)
def test_only_a_short_race_trains_fewer_networks(
    add_recommendation: Callable[..., str],
    finish: Callable[[str], JobRow],
    engine: Engine,
    request_: dict[str, Any],
    networks: int,
) -> None:
    job = finish(add_recommendation(request=request_, repetitions=2))
    assert job.state is JobState.FAILED
    with reading(engine) as registry:
        assert len(registry.task_results.networks("target-of-answer")) == networks
        reported = [event.data for event in registry.jobs.events_of_kinds(job.id, ["network"], 10)]
        warnings = registry.recommendations.get("answer").document.get("warnings", [])
    assert [(each["repetition"], each["repetitions"]) for each in reported] == [(n, networks) for n in range(networks)]
    assert any("1 of 2 networks" in warning for warning in warnings) == (networks == 1)


@pytest.mark.parametrize(
    ("seconds", "each", "networks"),
    [(18.0, 6.0, 3), (17.9, 6.0, 2), (12.0, 6.0, 2), (5.0, 6.0, 1), (1000.0, 6.0, 3), (0.0, 0.0, 3)],
)
def test_as_many_networks_are_trained_as_the_seconds_suffice_for(seconds: float, each: float, networks: int) -> None:
    assert affordable_networks(3, seconds, each) == networks


@pytest.mark.parametrize(("seconds", "whole"), [(0.001, False), (600, True)])
def test_in_a_short_race_the_network_learns_a_part_of_many_images(
    add_recommendation: Callable[..., str],
    finish: Callable[[str], JobRow],
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    whole: bool,
) -> None:
    learned: list[tuple[str, int]] = []
    really = fit.fit_once

    def watched(context: Any, plan: Any, build: Any, data: Any, **options: Any) -> Any:
        learned.append((plan.data_key, len(data.train)))
        return really(context, plan, build, data, **options)

    monkeypatch.setattr(fit, "fit_once", watched)
    finish(add_recommendation(request={"search": {"strategy": "race"}, "budget": {"seconds": 600}}, repetitions=1))
    [(key, images)] = learned
    learned.clear()
    monkeypatch.setattr(fit, "ENOUGH_IMAGES", 8)
    request = {"search": {"strategy": "race"}, "budget": {"seconds": seconds}}
    finish(add_recommendation("again", request=request, repetitions=1))
    with reading(engine) as registry:
        warnings = registry.recommendations.get("again").document.get("warnings", [])
    assert any(f"of {images} training images" in warning for warning in warnings) is not whole
    assert images > 16
    assert learned == [(key, images)] if whole else learned[0][0] != key and 7 <= learned[0][1] <= 9
