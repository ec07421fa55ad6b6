"""The scores of the known tasks' cells: those of their searches, and those of every training of a cell."""

from collections.abc import Collection

from ldnas.memory.scores import CellScore
from ldnas.memory.survivors import with_survivors
from ldnas.space.genotype import Genotype
from worker.jobs.context import JobContext
from worker.registry import CellTraining, GenotypeRow

SHARED_WEIGHTS = ("random_sharing", "enas", "darts", "darts_second_order", "pc_darts")
"""The strategies whose epochs are those of shared weights: a cell with more of them was drawn later, it survived no
cut."""

TRAINING = "training"
"""The recipe of scores after a complete annealed training."""


def known_scores(context: JobContext, task_ids: Collection[str]) -> tuple[CellScore, ...]:
    """The scores of these tasks' cells."""
    with context.reading() as registry:
        genotypes = registry.task_results.scored_genotypes(task_ids)
        trainings = registry.task_results.timed_trainings(task_ids)
    sharing = [_of_search(task_id, row) for task_id, row in genotypes if row.origin in SHARED_WEIGHTS]
    searched = [_of_search(task_id, row) for task_id, row in genotypes if row.origin not in SHARED_WEIGHTS]
    trained = [_of_training(task_id, row) for task_id, row in trainings]
    return (*sharing, *with_survivors(searched), *trained)


def _of_search(task_id: str, row: GenotypeRow) -> CellScore:
    assert row.validation_accuracy is not None, "only scored genotypes are read"
    assert row.epochs is not None, "only scored genotypes are read"
    return CellScore(task_id, Genotype.from_json(row.genotype), row.validation_accuracy, row.epochs, row.origin)


def _of_training(task_id: str, row: CellTraining) -> CellScore:
    assert row.epochs is not None, "only trainings with a number of epochs are read"
    cell = Genotype.from_json(row.genotype)
    return CellScore(task_id, cell, row.validation_accuracy, row.epochs, TRAINING, row.standard_error)
