"""Chooses the candidates of a job's race: its cells, those with weights of another task, and the other kinds."""

from collections.abc import Sequence
from dataclasses import replace

from ldnas.errors import ImpossibleConstraintError
from ldnas.networks.design import Kind
from ldnas.race.candidate import Candidate
from ldnas.race.field import RaceTask, candidates_for
from ldnas.race.kinds import warm_candidate
from ldnas.space.latency import measure_latency_ms
from ldnas.training.final import DataFacts, final_config
from ldnas.training.train import TrainConfig
from worker.jobs.context import JobContext
from worker.jobs.memo import Codec
from worker.jobs.stages.answer import Answer
from worker.jobs.stages.baselines import ClosestTask
from worker.jobs.stages.race_cells import choose_cells
from worker.jobs.stages.resolve import ResolvedTask
from worker.jobs.stages.space import FoundSpace
from worker.jobs.stages.warm_cells import WARM_CELLS, WarmCell, find_warm_cells, first_weights
from worker.jobs.stages.weights_files import given_weights

NAMES: Codec[list[str]] = Codec(lambda names: names, list)


def race_candidates(
    context: JobContext,
    task: ResolvedTask,
    answer: Answer,
    facts: DataFacts,
    found: FoundSpace,
    seed: int,
) -> list[Candidate]:
    """The candidates that the request admits, the same ones in every attempt.

    Raises:
        ImpossibleConstraintError: no network of the requested kinds satisfies the limits.
    """
    candidates = candidates_for(race_task(context, task, answer, facts, found, seed))
    return only_fast(context, candidates, answer.request.limits.max_latency_ms, "race.fast")


def only_fast(context: JobContext, candidates: Sequence[Candidate], limit: float | None, name: str) -> list[Candidate]:
    """The candidates that take at most `limit` milliseconds for one image, measured once under `name` in the memo.

    Raises:
        ImpossibleConstraintError: none does.
    """
    if limit is None:
        return list(candidates)
    # A second measurement may differ, and a saved race cannot resume with other candidates.
    fast = context.once(name, lambda: _fast_enough(context, candidates, limit), NAMES)
    return [candidate for candidate in candidates if candidate.name in fast]


def race_task(
    context: JobContext,
    task: ResolvedTask,
    answer: Answer,
    facts: DataFacts,
    found: FoundSpace,
    seed: int,
) -> RaceTask:
    """The facts about the task that its candidates depend on, the same ones in every attempt."""
    request = answer.request
    with_cells = Kind.CELL in _kinds(answer)
    cells = choose_cells(context, task, answer, found, seed) if with_cells else ()
    warm = _warm_cells(context, task, answer, found.closest) if with_cells else ()

    def recipe(image_size: int) -> TrainConfig:
        return final_config(replace(facts, image_size=image_size), objective=request.objective)

    def warm_candidate_of(cell: WarmCell) -> Candidate:
        start, own = first_weights(context, cell), recipe(cell.design.image_size)
        return warm_candidate(cell.name, cell.design, own, started_from=cell.source, start=start)

    return RaceTask(
        task.image_size,
        task.classes,
        cells,
        recipe,
        fixed_size=request.image_size is not None,
        limits=request.limits,
        kinds=_kinds(answer),
        warm=[warm_candidate_of(cell) for cell in warm],
        given=given_weights(context, request),
    )


def _warm_cells(
    context: JobContext, task: ResolvedTask, answer: Answer, closest: ClosestTask | None
) -> tuple[WarmCell, ...]:
    """The trained cells that take part with their weights; the answer gets the warnings about the others."""
    found = context.once("race.warm_cells", lambda: find_warm_cells(context, task, answer.request, closest), WARM_CELLS)
    for warning in found.warnings:
        answer.warn(warning)
    return found.cells


def _kinds(answer: Answer) -> frozenset[Kind]:
    wanted = answer.request.candidates
    return frozenset(Kind if wanted is None else map(Kind, wanted))


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
