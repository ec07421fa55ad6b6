"""The control of a recommendation: the networks it finishes, and the work that an interrupted one does not repeat."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from ldnas.control import Comparison, Verdict
from ldnas.errors import ImpossibleConstraintError
from ldnas.space.constraints import Constraints
from ldnas.training.micro_batches import Compute
from worker.jobs.memo import Codec
from worker.jobs.stages import control as stage
from worker.jobs.stages import export, fitting, latency, search
from worker.jobs.stages.control import _Choice
from worker.jobs.stages.control_document import ARMS, OTHERS, SEEDS, judge_arms
from worker.jobs.stages.resolve import ResolvedTask
from worker.queue import runner
from worker.queue.exit_codes import Ending
from worker.registry import reading

ACROSS = {"groups": [["across"]], "rest": True, "balance": False}
SMALL = {"max_parameters": 20_000}
BEGUN = {"control": {"seconds": 0.3, "search_seconds": 0.2}}
"""Short seconds, as if an earlier attempt had recorded them."""


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Architecture and seed of each final training, in order."""
    trainings: list[tuple[str, int]] = []
    fit_once = fitting.fit

    def noted(network: Any, *arguments: Any, **options: Any) -> None:
        if options["config"].averaged:  # only the recipe of the final training averages
            trainings.append((type(network).__name__, options["seed"]))
        fit_once(network, *arguments, **options)

    monkeypatch.setattr(fitting, "fit", noted)
    return trainings


def answer_of(engine: Any) -> dict[str, Any]:
    with reading(engine) as registry:
        document: dict[str, Any] = registry.recommendations.get("answer").document
    return document


def test_every_arm_is_finished_from_three_seeds_and_judged(
    engine, add_recommendation, finish, fitted, monkeypatch
) -> None:
    evaluated: list[str] = []
    read = ResolvedTask.read_test_images
    monkeypatch.setattr(
        ResolvedTask, "read_test_images", lambda task, size: (evaluated.append(task.id), read(task, size))[1]
    )
    request = {"control": True, "constraints": SMALL}
    finish(add_recommendation(labels=ACROSS, repetitions=1, request=request, document=BEGUN))
    answer = answer_of(engine)
    control = answer["control"]
    assert control["verdict"] in ("helped", "undecided", "hurt")
    assert all(len(control[arm]["scores"]) == SEEDS == 3 for arm in ARMS)
    assert all(control[arm]["verdict"] and control[arm]["interval"] for arm in OTHERS)
    sizes = [each["parameters"] for arm in ARMS for each in control[arm]["architectures"]]
    assert len(sizes) == 12
    assert max(sizes) <= SMALL["max_parameters"]
    # The network of the recommendation is the first of the found ones, and is not trained twice.
    assert control["found"]["architectures"][0]["genotype"] == answer["architecture"]["genotype"]
    assert control["found"]["scores"][0] == answer["validation"]["accuracy"]
    assert [name for name, _ in fitted].count("ScaledResNet18") == SEEDS
    assert len(fitted) <= 12
    assert len(evaluated) == 1  # the recommended network's own test evaluation


def test_each_search_without_the_memory_gets_the_seconds_of_fit_distance_and_search(
    engine, add_recommendation, finish, monkeypatch
) -> None:
    plans: list[search.SearchPlan] = []
    searched = search._search

    def noted(context: Any, task: ResolvedTask, plan: search.SearchPlan, key: str) -> Any:
        plans.append(plan)
        return searched(context, task, replace(plan, seconds=plan.seconds and 0.2), key)

    monkeypatch.setattr(search, "_search", noted)
    finish(add_recommendation(labels=ACROSS, repetitions=1, request={"control": True, "constraints": SMALL}))
    answer = answer_of(engine)
    spent, control = answer["cost"]["stage_seconds"], answer["control"]
    assert control["seconds"] == pytest.approx(spent["fit"] + spent["distance"] + spent["search"], abs=0.06)
    assert control["search_seconds"] == pytest.approx(spent["search"], abs=0.06)
    others = plans[1:]
    assert [(plan.origin, plan.seconds) for plan in others] == [
        ("fuse", control["seconds"]),
        ("random", control["seconds"]),
        *[("fuse", control["search_seconds"]), ("fuse", control["seconds"]), ("random", control["seconds"])] * 2,
    ]
    assert all(plan.iterations is None and plan.settings["patience"] > 1000 for plan in others)
    assert len({plan.seed for plan in plans}) == len(plans)
    with reading(engine) as registry:
        linked = registry.task_results.genotypes("target-of-answer")
    assert len(linked) == answer["search"]["scored"]  # the task's later S_b knows nothing of the control


@pytest.mark.long
def test_a_control_of_an_answer_that_another_job_has_found_before_counts_what_that_once_took(
    engine, add_recommendation, finish, monkeypatch
) -> None:
    wanted = {"labels": ACROSS, "repetitions": 1}
    finish(add_recommendation("first", **wanted, request={"constraints": SMALL}))
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE networks SET seconds = 3000")
        connection.exec_driver_sql("UPDATE fisher_summaries SET summary = json_set(summary, '$.seconds', 500)")
        ((observations,),) = connection.exec_driver_sql("SELECT count(*) FROM fisher_summaries").fetchall()
    plans: list[search.SearchPlan] = []
    searched = search._search

    def noted(context: Any, task: ResolvedTask, plan: search.SearchPlan, key: str) -> Any:
        plans.append(plan)
        return searched(context, task, replace(plan, seconds=plan.seconds and 0.2), key)

    monkeypatch.setattr(search, "_search", noted)
    finish(add_recommendation(**wanted, request={"control": True, "constraints": SMALL}))
    control, spent = answer_of(engine)["control"], answer_of(engine)["cost"]["stage_seconds"]
    assert plans[0].iterations == 1, "the search itself is run again, so that its seconds are known"
    assert control["search_seconds"] == pytest.approx(spent["search"], abs=0.06)
    assert control["seconds"] == pytest.approx(3000 + observations * 500 + spent["search"], abs=0.06)


def test_a_control_that_broke_off_resumes_after_the_networks_it_finished(
    settings, engine, add_recommendation, claim, finish, fitted, monkeypatch
) -> None:
    fit = fitting.fit

    def lose_the_disk(network: Any, *arguments: Any, **options: Any) -> None:
        if len(fitted) == 6:
            raise OSError("no space left on device")
        fit(network, *arguments, **options)

    request = {"control": True, "constraints": SMALL}
    job_id = add_recommendation(labels=ACROSS, repetitions=1, request=request, document=BEGUN)
    with monkeypatch.context() as broken:
        broken.setattr(fitting, "fit", lose_the_disk)
        assert runner.run(settings, engine, job_id, claim(job_id).attempt) is Ending.RELEASED
    before, architecture = answer_of(engine)["control"], answer_of(engine)["architecture"]
    assert before["verdict"] is None
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE jobs SET run_after = 0")
    monkeypatch.setattr(
        export, "standalone_code", lambda network: pytest.fail("an exported network is not exported again")
    )
    finish(job_id)
    after = answer_of(engine)["control"]
    assert answer_of(engine)["architecture"] == architecture
    assert after["verdict"] is not None
    assert (after["seconds"], after["search_seconds"]) == (before["seconds"], before["search_seconds"])
    for arm in ARMS:
        kept = before[arm]["architectures"]
        assert after[arm]["architectures"][: len(kept)] == kept
        assert after[arm]["scores"][: len(before[arm]["scores"])] == before[arm]["scores"]
    assert len(fitted) <= 12


def test_a_resnet18_that_no_width_fits_into_the_constraints_is_left_out_with_the_reason(
    engine, add_recommendation, finish
) -> None:
    request = {"control": True, "constraints": {"max_parameters": 2_000}}
    finish(add_recommendation(labels=ACROSS, repetitions=1, request=request, document=BEGUN))
    control = answer_of(engine)["control"]
    assert "the narrowest ResNet-18 has" in control["resnet18"]["reason"]
    assert control["resnet18"]["verdict"] is None
    assert control["verdict"] is not None


def test_a_request_without_a_control_gets_none(engine, add_recommendation, finish) -> None:
    finish(add_recommendation(labels=ACROSS, repetitions=1))
    answer = answer_of(engine)
    assert answer.get("control") is None
    assert "control" not in answer["cost"]["stage_seconds"]


def choice(memo: dict[str, Any]) -> _Choice:
    """The choices of a job with this memo, which they fill."""

    def once(name: str, compute: Callable[[], Any], codec: Codec[Any]) -> Any:
        if name not in memo:
            memo[name] = codec.to_json(compute())
        return codec.from_json(memo[name])

    limits = Constraints(max_latency_ms=5.0)
    task = SimpleNamespace(image_size=8, classes=2)
    context = SimpleNamespace(compute=Compute(), memo=memo, once=once)
    return _Choice(context, task, SimpleNamespace(search=SimpleNamespace(constraints=limits)))


def test_a_full_space_that_keeps_no_latency_any_more_leaves_its_ways_out_and_not_the_answer(monkeypatch) -> None:
    def refuse(*arguments: Any) -> None:
        raise ImpossibleConstraintError("max_latency_ms is 5.0, the fastest takes 6", field="", nearest_possible=6.0)

    monkeypatch.setattr(latency, "latency_table", refuse)
    memo: dict[str, Any] = {}
    arms = choice(memo)
    reasons = [arms.of(arm, number) for arm in ("full_space", "random") for number in range(SEEDS)]
    assert reasons == [{"reason": "max_latency_ms is 5.0, the fastest takes 6"}] * 6
    monkeypatch.setattr(latency, "latency_table", lambda *arguments: None)
    again = choice({"control.full_space.0": reasons[0]})
    assert again.of("full_space", 1) == reasons[0], "an arm has networks of all seeds or of none"


@pytest.mark.parametrize(("ms_by_width", "width"), [(0.25, 20), (6.0, None)])
def test_a_resnet18_is_narrowed_until_it_keeps_the_latency_and_left_out_where_none_does(
    monkeypatch, ms_by_width: float, width: int | None
) -> None:
    measured: list[int] = []

    def measure(network: Any, skeleton: Any) -> float:
        measured.append(network.width)
        return ms_by_width * network.width

    monkeypatch.setattr(latency, "latency_table", lambda *arguments: None)
    monkeypatch.setattr(stage, "measure_latency_ms", measure)
    arms = choice({})
    first = arms.of("resnet18", 0)
    assert first.get("width") == width
    assert ("max_latency_ms is 5, and the narrowest ResNet-18 takes 6 ms" in first.get("reason", "")) == (width is None)
    assert measured[-1] == (width or 1)
    count = len(measured)
    assert [arms.of("resnet18", number) for number in (1, 2)] == [first, first]
    assert len(measured) == count, "a second measurement might give another width"


def test_nothing_has_helped_where_no_search_without_the_memory_could_run() -> None:
    better = Comparison(0.5, (0.4, 0.6), Verdict.HELPED)
    searches = ("full_space", "random")
    assert judge_arms({"resnet18": better}, searches) is Verdict.UNDECIDED
    assert judge_arms({"full_space": better, "random": better}, searches) is Verdict.HELPED
