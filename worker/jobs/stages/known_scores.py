"""The scores of the known tasks' cells: those of their searches, and those of every training of a cell."""

from collections.abc import Sequence

from ldnas.memory.scores import CellScore
from ldnas.memory.survivors import with_survivors
from ldnas.space.genotype import Genotype
from worker.jobs.context import JobContext
from worker.registry import CellTraining, GenotypeRow

HALVING = "random"
"""The strategy that drops the worse cells early. Elsewhere a cell with more epochs survived no cut: it was drawn later,
its iteration was longer, or its network is faster."""

MOST_TASKS = 200
"""The most tasks whose scores are pooled, the last ones: the time of pooling grows with the cube of the cells."""

TRAINING = "training"
"""The recipe of scores after a complete annealed training."""


def known_scores(context: JobContext, task_ids: Sequence[str]) -> tuple[CellScore, ...]:
    """The scores of these tasks' cells, of the last `MOST_TASKS` of them."""
    task_ids = task_ids[-MOST_TASKS:]
    with context.reading() as registry:
        genotypes = registry.task_results.scored_genotypes(task_ids)
        trainings = registry.task_results.timed_trainings(task_ids)
    halved = [_of_search(task_id, row) for task_id, row in genotypes if row.origin == HALVING]
    others = [_of_search(task_id, row) for task_id, row in genotypes if row.origin != HALVING]
    trained = [_of_training(task_id, row) for task_id, row in trainings]
    return (*with_survivors(halved), *others, *trained)


def _of_search(task_id: str, row: GenotypeRow) -> CellScore:
    assert row.validation_accuracy is not None, "only scored genotypes are read"
    assert row.epochs is not None, "only scored genotypes are read"
    return CellScore(task_id, Genotype.from_json(row.genotype), row.validation_accuracy, row.epochs, row.origin)


def _of_training(task_id: str, row: CellTraining) -> CellScore:
    assert row.epochs is not None, "only trainings with a number of epochs are read"
    cell = Genotype.from_json(row.genotype)
    return CellScore(task_id, cell, row.validation_accuracy, row.epochs, TRAINING, row.standard_error)
