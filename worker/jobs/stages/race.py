"""race: trains networks of several kinds side by side, and chooses one; it replaces search and final training."""

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from ldnas.digests import json_digest
from ldnas.networks.design import Kind
from ldnas.race.candidate import Candidate
from ldnas.race.race import Race, RaceImages, RaceOutcome, RaceProblem
from ldnas.race.reason import reason_of
from ldnas.race.state import Progress, RaceState
from ldnas.seeding import derive_seed
from ldnas.training.final import DataFacts, Learned, warnings_of
from worker.jobs.checkpoints import tensors_from_bytes, tensors_to_bytes
from worker.jobs.context import JobContext
from worker.jobs.memo import Codec
from worker.jobs.stages.answer import Answer
from worker.jobs.stages.fit import load_task_network
from worker.jobs.stages.fitting import REPORT_SECONDS
from worker.jobs.stages.race_candidates import race_candidates
from worker.jobs.stages.race_result import RACE_RESULT, RaceResult, result_part, rounded, store_result
from worker.jobs.stages.resolve import ResolvedTask
from worker.jobs.stages.space import FoundSpace
from worker.jobs.stages.train import final_recipe
from worker.specification import RACE

EXPORT_SECONDS = {Kind.CELL: 4.0, Kind.PLAIN: 4.0, Kind.PRETRAINED: 12.0}
"""The seconds of the export of a network, on a processor; most of them are the translation to ONNX.

On two quiet cores the test images and the export of EfficientNet-Lite0 took 8 and 10 seconds after a race.
"""

MOST_RESERVED = 0.25
"""The largest share of a job's seconds that is reserved for the export: a short job ends late rather than untrained."""

SECONDS: Codec[float] = Codec(lambda seconds: seconds, float)


def race_once(context: JobContext, task: ResolvedTask, answer: Answer, found: FoundSpace) -> RaceResult:
    """The result of the race, by an earlier attempt or now.

    Raises:
        ImpossibleConstraintError: no network of the requested kinds satisfies the limits.
    """
    return answer.once("race", lambda: _race(context, task, answer, found), RACE_RESULT, result_part)


def _race(context: JobContext, task: ResolvedTask, answer: Answer, found: FoundSpace) -> RaceResult:
    request = answer.request
    context.progress(0.0, "measuring the candidates")
    seed = derive_seed(task.seed, "race", task.search_data_key)
    facts = race_facts(context, task, seed=seed, objective=request.objective)
    candidates = race_candidates(context, task, answer, facts, found, seed)
    answer.report(search=_document(answer, candidates))
    # After the measurements above, so that their seconds are not lost to the budget.
    seconds = context.once("race.seconds", lambda: _race_seconds(answer, candidates), SECONDS)
    problem = race_problem(context, task, seconds, seed, request.objective)
    key = json_digest({"what": "race", "version": 3, "job": context.job_id})
    outcome = run_race(
        context,
        problem,
        candidates,
        key=key,
        on_cycle=lambda candidate, progress: _report_cycle(context, candidate, progress),
    )
    reason = reason_of(outcome, objective=request.objective, seed=seed)
    warnings = warnings_of(facts, objective=request.objective)
    return store_result(context, task, outcome, key=key, seed=seed, reason=reason, warnings=warnings)


def race_facts(context: JobContext, task: ResolvedTask, *, seed: int, objective: str) -> DataFacts:
    """The facts about the task's data; the network of the distances, if the task has one, spares a training for them.

    A network with uploaded weights may have learned mirrored images too, so it does not count.
    """
    with context.reading() as registry:
        rows = registry.task_results.networks(task.id)
    learned = None
    if rows and task.weights is None:
        validation = task.proxy.validation.to(context.compute.device)
        learned = Learned(load_task_network(context, rows[0]), validation)
    facts, _ = final_recipe(context, task.full, seed=seed, objective=objective, epochs=None, learned=learned)
    return facts


def race_problem(context: JobContext, task: ResolvedTask, seconds: float, seed: int, objective: str) -> RaceProblem:
    """A race of so many seconds on the images of the task."""
    return RaceProblem(
        _images(context, task),
        seconds,
        seed,
        objective,
        compute=context.compute,
        later_images=task.full.counts.test,
        clock=context.clock,
    )


def run_race(
    context: JobContext,
    problem: RaceProblem,
    candidates: Sequence[Candidate],
    *,
    key: str,
    on_cycle: Callable[[Candidate, Progress], None] = lambda candidate, progress: None,
) -> RaceOutcome:
    """The outcome of a race, resumed from its checkpoint under `key` if there is one; progress is reported."""
    begun = context.checkpoints.load(key)

    reported = -math.inf

    def after_epoch(state: RaceState) -> None:
        nonlocal reported
        # Tiny data has hundreds of epochs that take less time than reporting them.
        if state.seconds - reported >= REPORT_SECONDS:
            reported = state.seconds
            _report_epoch(context, state, problem.seconds)
        if context.checkpoints.due():
            context.checkpoints.save(key, tensors_to_bytes(state.to_dict()))

    return Race(
        problem,
        candidates,
        on_cycle=on_cycle,
        state=None if begun is None else RaceState.from_dict(tensors_from_bytes(begun)),
        on_state=after_epoch,
    ).run()


def seconds_of_race(context: JobContext) -> float:
    """The seconds of the race that this job has run."""

    def missing() -> float:
        raise AssertionError("the job has run its race")

    return context.once("race.seconds", missing, SECONDS)


def _race_seconds(answer: Answer, candidates: Sequence[Candidate]) -> float:
    """The seconds of the budget that are left for the race, without those of the longest export that may follow."""
    whole, spent = answer.request.race_seconds, answer.seconds()
    export = min(MOST_RESERVED * whole, max(EXPORT_SECONDS[candidate.kind] for candidate in candidates))
    if spent + export >= whole:
        answer.warn(
            f"networks and distances took {spent:.0f} of the {whole:g} seconds, so the race was one epoch of the "
            "cheapest network, or the head of a pretrained one"
        )
    return max(0.0, whole - spent - export)


def _images(context: JobContext, task: ResolvedTask) -> Callable[[int], RaceImages]:
    @cache
    def images(image_size: int) -> RaceImages:
        device = context.compute.device
        return RaceImages(task.images_at(image_size).train.to(device), task.judging_images(image_size).to(device))

    return images


def _report_epoch(context: JobContext, state: RaceState, seconds: float) -> None:
    assert state.cycle is not None, "a state is reported inside a cycle"
    assert state.cycle.fit is not None, "and after an epoch"
    name = state.racing[state.place]
    length, epoch = state.cycle.length, state.cycle.fit.epoch
    done = f"epoch {rounded(epoch / length.parts)} of {rounded(length.passes)}"
    message = f"{name}, round {state.rung + 1}, {done}"
    context.progress(min(1.0, state.seconds / seconds) if seconds else 1.0, message)


def _report_cycle(context: JobContext, candidate: Candidate, progress: Progress) -> None:
    cycle = progress.cycles[-1]
    context.event(
        "cycle",
        {
            "candidate": candidate.name,
            "candidate_kind": candidate.kind.value,
            "rung": cycle.rung,
            "epochs": rounded(cycle.passes),
            "seconds": round(cycle.seconds, 3),
            "score": cycle.score,
            "standard_error": cycle.standard_error,
        },
    )


def _document(answer: Answer, candidates: Sequence[Candidate]) -> dict[str, Any]:
    """The `search` of a recommendation, as of the start of the race."""
    return {
        "strategy": RACE,
        "settings": {
            "seconds": answer.request.race_seconds,
            "candidates": [candidate.name for candidate in candidates],
        },
        "splits": 1,
        "constraints": answer.request.limits.given(),
    }
