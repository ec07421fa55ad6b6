"""The result of a job's race: its winner as a stored network, and the networks that took part."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from safetensors.torch import load as load_safetensors

from ldnas.digests import json_digest
from ldnas.networks.design import CellDesign, Design, design_from_json
from ldnas.networks.designed import build_designed
from ldnas.race.front import on_front
from ldnas.race.race import Finisher, RaceOutcome
from ldnas.space.genotype import Genotype
from ldnas.space.latency import measure_latency_ms
from ldnas.training.evaluation import evaluate, evaluate_logits
from worker.jobs.context import JobContext
from worker.jobs.memo import Codec
from worker.jobs.stages.answer import Part
from worker.jobs.stages.fitting import store_fitted
from worker.jobs.stages.resolve import ResolvedTask
from worker.jobs.stages.train import FinishedNetwork, TrainedArchitecture
from worker.specification import RACE


@dataclass(frozen=True)
class RaceResult:
    """The result of a race.

    Attributes:
        design: of the winner.
        network: its content key.
        latency_ms: of the winner for one image.
        alternatives: the networks that took part, the winner first, as the `alternatives` of a recommendation.
        passed_over: the networks that did not take part, each with whether it was outclassed.
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


def load_winner(context: JobContext, task: ResolvedTask, result: RaceResult) -> TrainedArchitecture:
    """The winner's network, with its scores on validation images."""
    finished = load_finished(context, task, result.design, result.network)
    return TrainedArchitecture(result.design, finished, (finished,), warnings=result.warnings)


def load_finished(context: JobContext, task: ResolvedTask, design: Design, key: str) -> FinishedNetwork:
    """The network that an earlier step of the job stored under the content key `key`."""
    with context.unit_of_work() as registry:
        row = registry.results.use_network(key)
    assert row is not None, "the memo names a stored network"
    network = build_designed(design, seed=0, imagenet_weights=False)
    network.load_state_dict(load_safetensors(context.store.read(row.weights)))
    network.to(context.compute.device).eval()
    scores = evaluate(network, task.judging_images(design.image_size), micro_batches=context.compute.micro_batches)
    return FinishedNetwork(network, row, scores)


def store_result(
    context: JobContext,
    task: ResolvedTask,
    outcome: RaceOutcome,
    *,
    key: str,
    seed: int,
    reason: str,
    warnings: tuple[str, ...],
) -> RaceResult:
    """Store the winner's network under the content key `key`, and the cells that took part."""
    winner = outcome.finishers[0]
    store_finisher(context, task, winner, key=key, seed=seed)
    _link_cells(context, task, outcome.finishers, key)
    alternatives = _alternatives(outcome.finishers)
    return RaceResult(
        winner.candidate.design,
        key,
        alternatives[0]["latency_ms"],
        alternatives,
        _passed_over(outcome),
        reason,
        winner.candidate.started_from,
        warnings,
    )


def store_finisher(context: JobContext, task: ResolvedTask, finisher: Finisher, *, key: str, seed: int) -> None:
    """Store the network under the content key `key`."""
    design, standing = finisher.candidate.design, finisher.progress.standing
    largest = context.compute.micro_batches.largest
    assert standing is not None, "a finisher has scores"
    validation = evaluate_logits(standing.logits, task.judging_images(design.image_size).labels)
    store_fitted(
        context,
        finisher.network,
        key=key,
        architecture=f"{design.kind.value}:{json_digest(design.to_json())[:32]}",
        seed=seed,
        classes=task.classes,
        validation=validation,
        micro_batch=largest if largest is not None and largest < finisher.candidate.recipe.batch_size else None,
        seconds=finisher.progress.seconds,
    )


def result_part(result: RaceResult) -> Part:
    """The fields of the answer that a race adds."""
    search = {"reason": result.reason, "passed_over": list(result.passed_over), "latency_ms": result.latency_ms}
    return Part({"alternatives": list(result.alternatives), "search": search})


def rounded(passes: float) -> float:
    """Passes over the images with three digits, a whole number without a point."""
    value = float(f"{passes:.3g}")
    return int(value) if value.is_integer() else value


def _link_cells(context: JobContext, task: ResolvedTask, finishers: Sequence[Finisher], key: str) -> None:
    """Store the cells that took part from fresh weights, with their scores, and link them to the task."""
    scored: dict[Genotype, dict[str, Any]] = {}
    for own in finishers:
        design, standing = own.candidate.design, own.progress.standing
        is_fresh = own.candidate.started_from is None  # scores from other weights do not compare with these
        if isinstance(design, CellDesign) and is_fresh and standing is not None and design.genotype not in scored:
            scores = evaluate_logits(standing.logits, task.judging_images(design.image_size).labels)
            scored[design.genotype] = {
                "digest": design.genotype.digest,
                "genotype": design.genotype.to_json(),
                "validation_accuracy": scores.accuracy,
                "validation_balanced_accuracy": scores.balanced_accuracy,
                "epochs": max(1, round(own.progress.best_passes)),
            }
    if not scored:
        return
    with context.unit_of_work() as registry:
        rows = registry.results.store_search(key, RACE, [*scored.values()])
        registry.task_results.link_genotypes(task.id, [row.id for row in rows])


def _passed_over(outcome: RaceOutcome) -> tuple[dict[str, Any], ...]:
    groups = ((outcome.outclassed, True), (outcome.passed_over, False))
    return tuple(
        {"name": own.name, "kind": own.kind.value, "outclassed": outclassed}
        for candidates, outclassed in groups
        for own in candidates
    )


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
        "validation": standing.score,
        "standard_error": standing.standard_error,
        "parameters": own.candidate.parameters,
        "macs": own.candidate.macs,
        "latency_ms": latency_ms,
        "epochs": rounded(own.progress.passes),
        "seconds": round(own.progress.seconds, 3),
        "left": own.progress.left,
        "on_front": on_front,
        "architecture_id": None,
    }
