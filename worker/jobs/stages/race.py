"""race: trains networks of several kinds side by side, and chooses one; it replaces search and final training."""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Self

from safetensors.torch import load as load_safetensors

from ldnas.digests import json_digest
from ldnas.errors import ImpossibleConstraintError
from ldnas.networks.design import CellDesign, Design, Kind, design_from_json
from ldnas.networks.designed import build_designed
from ldnas.race.candidate import Candidate
from ldnas.race.field import RaceTask, candidates_for
from ldnas.race.front import on_front
from ldnas.race.kinds import warm_candidate
from ldnas.race.race import Finisher, Race, RaceImages, RaceOutcome, RaceProblem
from ldnas.race.reason import reason_of
from ldnas.race.state import Progress, RaceState
from ldnas.seeding import derive_seed
from ldnas.space.genotype import Genotype
from ldnas.space.latency import measure_latency_ms
from ldnas.space.space import FULL_SPACE
from ldnas.training.evaluation import evaluate, evaluate_logits
from ldnas.training.final import DataFacts, final_config, warnings_of
from ldnas.training.train import TrainConfig
from worker.jobs.checkpoints import tensors_from_bytes, tensors_to_bytes
from worker.jobs.context import JobContext
from worker.jobs.memo import Codec
from worker.jobs.stages.answer import Answer, Part
from worker.jobs.stages.baselines import ClosestTask
from worker.jobs.stages.fitting import REPORT_SECONDS, store_fitted
from worker.jobs.stages.resolve import ResolvedTask
from worker.jobs.stages.train import FinishedNetwork, TrainedArchitecture, final_recipe
from worker.jobs.stages.warm_cells import WARM_CELLS, WarmCell, find_warm_cells, first_weights
from worker.specification import RACE, RACE_SECONDS

EXPORT_SECONDS = {Kind.CELL: 6.0, Kind.PLAIN: 6.0, Kind.PRETRAINED: 20.0}
"""The seconds of the export of a network, on a processor; most of them are the translation to ONNX."""


@dataclass(frozen=True)
class RaceResult:
    """The result of a race.

    Attributes:
        design: of the winner.
        network: its content key.
        latency_ms: of the winner for one image.
        alternatives: the networks that took part, the winner first, as the `alternatives` of a recommendation.
        passed_over: the networks that the seconds did not suffice for.
        reason: why the winner won, in a sentence.
        started_from: the source of the winner's first weights; None for fresh ones.
        warnings: caveats about the data for readers of the scores.
    """

    design: Design
    network: str
    latency_ms: float
    alternatives: tuple[Mapping[str, Any], ...]
    passed_over: tuple[Mapping[str, Any], ...]
    reason: str
    started_from: str | None
    warnings: tuple[str, ...]

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The result written by `to_json`."""
        lists = {name: tuple(value[name]) for name in ("alternatives", "passed_over", "warnings")}
        return cls(**{**value, **lists, "design": design_from_json(value["design"])})

    def to_json(self) -> dict[str, Any]:
        """The result as a JSON value."""
        return {**vars(self), "design": self.design.to_json()}


RACE_RESULT = Codec(RaceResult.to_json, RaceResult.from_json)
NAMES: Codec[list[str]] = Codec(lambda names: names, list)
SECONDS: Codec[float] = Codec(lambda seconds: seconds, float)
CELLS: Codec[tuple[Genotype, ...]] = Codec(
    lambda cells: [cell.to_json() for cell in cells], lambda value: tuple(map(Genotype.from_json, value))
)


def race_once(context: JobContext, task: ResolvedTask, answer: Answer, closest: ClosestTask | None) -> RaceResult:
    """The result of the race, by an earlier attempt or now.

    Raises:
        ImpossibleConstraintError: no network of the requested kinds satisfies the limits.
    """
    return answer.once("race", lambda: _race(context, task, answer, closest), RACE_RESULT, _part)


def load_winner(context: JobContext, task: ResolvedTask, result: RaceResult) -> TrainedArchitecture:
    """The winner's network, with its scores on validation images."""
    with context.unit_of_work() as registry:
        row = registry.results.use_network(result.network)
    assert row is not None, "the memo names a stored network"
    network = build_designed(result.design, seed=0, imagenet_weights=False)
    network.load_state_dict(load_safetensors(context.store.read(row.weights)))
    network.to(context.compute.device).eval()
    validation = task.images_at(result.design.image_size).validation
    scores = evaluate(network, validation, micro_batches=context.compute.micro_batches)
    finished = FinishedNetwork(network, row, scores)
    return TrainedArchitecture(result.design, finished, (finished,), warnings=result.warnings)


def _race(context: JobContext, task: ResolvedTask, answer: Answer, closest: ClosestTask | None) -> RaceResult:
    request = answer.request
    context.progress(0.0, "measuring the candidates")
    seed = derive_seed(task.seed, "race", task.search_data_key)
    facts, _ = final_recipe(context, task.full, seed=seed, objective=request.objective, epochs=None)
    cells = context.once("race.cells", lambda: _cells(context, closest, request.search.k or 1, seed), CELLS)
    warm = _warm_cells(context, task, answer, closest)
    candidates = _candidates(context, task, answer, facts, cells, warm)
    answer.report(search=_document(answer, candidates))
    # After the measurements above, so that their seconds are not lost to the budget.
    seconds = context.once("race.seconds", lambda: _race_seconds(answer, candidates), SECONDS)
    problem = RaceProblem(
        _images(context, task),
        seconds,
        seed,
        request.objective,
        compute=context.compute,
        later_images=task.full.counts.test,
        clock=context.clock,
    )
    key = json_digest({"what": "race", "job": context.job_id})
    begun = context.checkpoints.load(key)

    reported = -math.inf

    def after_epoch(state: RaceState) -> None:
        nonlocal reported
        # Tiny data has hundreds of epochs that take less time than reporting them.
        if state.seconds - reported >= REPORT_SECONDS:
            reported = state.seconds
            _report_epoch(context, state, seconds)
        if context.checkpoints.due():
            context.checkpoints.save(key, tensors_to_bytes(state.to_dict()))

    outcome = Race(
        problem,
        candidates,
        on_cycle=lambda candidate, progress: _report_cycle(context, candidate, progress),
        state=None if begun is None else RaceState.from_dict(tensors_from_bytes(begun)),
        on_state=after_epoch,
    ).run()
    labels = problem.images(candidates[0].image_size).validation.labels.cpu()
    reason = reason_of(outcome, labels, objective=request.objective, seed=seed)
    warnings = warnings_of(facts, objective=request.objective)
    return _store(context, task, outcome, key=key, seed=seed, reason=reason, warnings=warnings)


def _race_seconds(answer: Answer, candidates: Sequence[Candidate]) -> float:
    """The seconds of the budget that are left for the race, without those of the longest export that may follow."""
    budget = answer.request.budget
    whole = RACE_SECONDS if budget is None or budget.seconds is None else budget.seconds
    spent = answer.seconds()
    export = max(EXPORT_SECONDS[candidate.kind] for candidate in candidates)
    if spent + export >= whole:
        answer.warn(
            f"networks and distances took {spent:.0f} of the {whole:g} seconds, so the race was one epoch of the "
            "cheapest network, or the head of a pretrained one"
        )
    return max(0.0, whole - spent - export)


def _cells(context: JobContext, closest: ClosestTask | None, count: int, seed: int) -> tuple[Genotype, ...]:
    """The best cells of the closest task; without one, a cell of the full space drawn at random."""
    if closest is not None:
        with context.reading() as registry:
            rows = registry.task_results.genotypes(closest.task_id)
        if rows:
            return tuple(Genotype.from_json(row.genotype) for row in rows[:count])
    return (FULL_SPACE.sample(random.Random(derive_seed(seed, "cell"))),)


def _warm_cells(
    context: JobContext, task: ResolvedTask, answer: Answer, closest: ClosestTask | None
) -> tuple[WarmCell, ...]:
    """The trained cells of the closest task that take part; the answer gets the warnings about the others."""
    if closest is None or Kind.CELL not in _kinds(answer):
        return ()
    found = context.once("race.warm_cells", lambda: find_warm_cells(context, task, answer.request, closest), WARM_CELLS)
    for warning in found.warnings:
        answer.warn(warning)
    return found.cells


def _kinds(answer: Answer) -> frozenset[Kind]:
    wanted = answer.request.candidates
    return frozenset(Kind if wanted is None else map(Kind, wanted))


def _candidates(
    context: JobContext,
    task: ResolvedTask,
    answer: Answer,
    facts: DataFacts,
    cells: Sequence[Genotype],
    warm: Sequence[WarmCell],
) -> list[Candidate]:
    request = answer.request

    def recipe(image_size: int) -> TrainConfig:
        return final_config(replace(facts, image_size=image_size), objective=request.objective)

    def warm_candidate_of(cell: WarmCell) -> Candidate:
        start, own = first_weights(context, cell), recipe(cell.design.image_size)
        return warm_candidate(cell.name, cell.design, own, started_from=cell.source, start=start)

    race_task = RaceTask(
        task.image_size,
        task.classes,
        cells,
        recipe,
        fixed_size=request.image_size is not None,
        limits=request.limits,
        kinds=_kinds(answer),
        warm=[warm_candidate_of(cell) for cell in warm],
    )
    candidates = candidates_for(race_task)
    limit = request.limits.max_latency_ms
    if limit is None:
        return candidates
    # A second measurement may differ, and a saved race cannot resume with other candidates.
    fast = context.once("race.fast", lambda: _fast_enough(context, candidates, limit), NAMES)
    return [candidate for candidate in candidates if candidate.name in fast]


def _fast_enough(context: JobContext, candidates: Sequence[Candidate], limit: float) -> list[str]:
    """The names of the candidates that take at most `limit` milliseconds for one image on the job's device.

    Raises:
        ImpossibleConstraintError: none does.
    """
    latencies = {candidate.name: _latency_ms(context, candidate) for candidate in candidates}
    fast = [name for name, milliseconds in latencies.items() if milliseconds <= limit]
    if not fast:
        least = min(latencies.values())
        raise ImpossibleConstraintError(
            f"the fastest network takes {least:g} ms for one image, and max_latency_ms is {limit:g}",
            field="constraints.max_latency_ms",
            nearest_possible=least,
        )
    return fast


def _latency_ms(context: JobContext, candidate: Candidate) -> float:
    return measure_latency_ms(candidate.build(0).to(context.compute.device).eval(), candidate.image_size)


def _images(context: JobContext, task: ResolvedTask) -> Callable[[int], RaceImages]:
    @cache
    def images(image_size: int) -> RaceImages:
        data, device = task.images_at(image_size), context.compute.device
        return RaceImages(data.train.to(device), data.validation.to(device))

    return images


def _report_epoch(context: JobContext, state: RaceState, seconds: float) -> None:
    assert state.cycle is not None, "a state is reported inside a cycle"
    name = state.racing[state.place]
    message = f"{name}, round {state.rung + 1}, epoch {state.cycle.fit.epoch} of {state.cycle.epochs}"
    context.progress(min(1.0, state.seconds / seconds) if seconds else 1.0, message)


def _report_cycle(context: JobContext, candidate: Candidate, progress: Progress) -> None:
    cycle = progress.cycles[-1]
    context.event(
        "cycle",
        {
            "candidate": candidate.name,
            "candidate_kind": candidate.kind.value,
            "rung": cycle.rung,
            "epochs": cycle.epochs,
            "seconds": round(cycle.seconds, 3),
            "score": cycle.score,
            "standard_error": cycle.standard_error,
        },
    )


def _document(answer: Answer, candidates: Sequence[Candidate]) -> dict[str, Any]:
    """The `search` of a recommendation, as of the start of the race."""
    return {
        "strategy": RACE,
        "settings": {"candidates": [candidate.name for candidate in candidates]},
        "splits": 1,
        "constraints": answer.request.limits.given(),
    }


def _store(
    context: JobContext,
    task: ResolvedTask,
    outcome: RaceOutcome,
    *,
    key: str,
    seed: int,
    reason: str,
    warnings: tuple[str, ...],
) -> RaceResult:
    winner = outcome.finishers[0]
    design = winner.candidate.design
    largest = context.compute.micro_batches.largest
    assert winner.progress.standing is not None, "a finisher has scores"
    labels = task.images_at(design.image_size).validation.labels
    validation = evaluate_logits(winner.progress.standing.logits, labels)
    store_fitted(
        context,
        winner.network,
        key=key,
        architecture=f"{design.kind.value}:{json_digest(design.to_json())[:32]}",
        seed=seed,
        classes=task.classes,
        validation=validation,
        micro_batch=largest if largest is not None and largest < winner.candidate.recipe.batch_size else None,
        seconds=winner.progress.seconds,
    )
    _link_cells(context, task, outcome.finishers, key)
    alternatives = _alternatives(outcome.finishers)
    return RaceResult(
        design,
        key,
        alternatives[0]["latency_ms"],
        alternatives,
        tuple({"name": own.name, "kind": own.kind.value} for own in outcome.passed_over),
        reason,
        winner.candidate.started_from,
        warnings,
    )


def _link_cells(context: JobContext, task: ResolvedTask, finishers: Sequence[Finisher], key: str) -> None:
    """Store the cells that took part with their scores, and link them to the task, as a search does."""
    scored: dict[Genotype, dict[str, Any]] = {}
    for own in finishers:
        design, standing = own.candidate.design, own.progress.standing
        if isinstance(design, CellDesign) and standing is not None and design.genotype not in scored:
            scores = evaluate_logits(standing.logits, task.images_at(design.image_size).validation.labels)
            scored[design.genotype] = {
                "digest": design.genotype.digest,
                "genotype": design.genotype.to_json(),
                "validation_accuracy": scores.accuracy,
                "validation_balanced_accuracy": scores.balanced_accuracy,
                "epochs": own.progress.epochs,
            }
    if not scored:
        return
    with context.unit_of_work() as registry:
        rows = registry.results.store_search(key, RACE, [*scored.values()])
        registry.task_results.link_genotypes(task.id, [row.id for row in rows])


def _alternatives(finishers: Sequence[Finisher]) -> tuple[dict[str, Any], ...]:
    latencies = [measure_latency_ms(own.network, own.candidate.image_size) for own in finishers]
    costs = [
        (-own.progress.score, own.candidate.parameters, latency)
        for own, latency in zip(finishers, latencies, strict=True)
    ]
    return tuple(
        _alternative(own, latency, on_front=is_on_front)
        for own, latency, is_on_front in zip(finishers, latencies, on_front(costs), strict=True)
    )


def _alternative(own: Finisher, latency_ms: float, *, on_front: bool) -> dict[str, Any]:
    standing = own.progress.standing
    assert standing is not None, "a finisher has scores"
    return {
        "name": own.candidate.name,
        "kind": own.candidate.kind.value,
        "design": own.candidate.design.to_json(),
        "started_from": own.candidate.started_from,
        "score": standing.score,
        "standard_error": standing.standard_error,
        "parameters": own.candidate.parameters,
        "macs": own.candidate.macs,
        "latency_ms": latency_ms,
        "epochs": own.progress.epochs,
        "seconds": round(own.progress.seconds, 3),
        "left": own.progress.left,
        "on_front": on_front,
    }


def _part(result: RaceResult) -> Part:
    """The fields of the answer that a race adds."""
    search = {"reason": result.reason, "passed_over": list(result.passed_over), "latency_ms": result.latency_ms}
    return Part({"alternatives": list(result.alternatives), "search": search})
