"""study: trains the best cells of a baseline in full, so that races on near tasks can start from their weights."""

from ldnas.networks.design import CellDesign
from ldnas.space.genotype import Genotype
from ldnas.space.skeleton import default_skeleton
from worker.jobs.context import JobContext
from worker.jobs.stages.resolve import ResolvedTask
from worker.jobs.stages.train import train_architecture


def study_cells(context: JobContext, task: ResolvedTask, cells: int) -> None:
    """Train the task's best cells, at most so many, by the recipe of a final training, and link them to the task.

    Only training and validation images are read. A cell that is trained already is found under its content key.
    """
    with context.reading() as registry:
        rows = registry.task_results.genotypes(task.id)
    genotypes = list(dict.fromkeys(Genotype.from_json(row.genotype) for row in rows))[:cells]
    skeleton = default_skeleton(task.image_size, task.classes)
    for number, genotype in enumerate(genotypes):
        label = f"cell {number + 1} of {len(genotypes)}"
        with context.portion(number / len(genotypes), (number + 1) / len(genotypes), label):
            trained = train_architecture(context, task, CellDesign(genotype, skeleton))
        with context.unit_of_work() as registry:
            registry.task_results.link_cell(task.id, trained.best.row.key, trained.design.to_json())
