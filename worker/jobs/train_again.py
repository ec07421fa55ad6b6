"""The job `train_architecture`: trains the network of an existing architecture on other data."""

from dataclasses import replace
from typing import Any

from ldnas.networks.design import CellDesign, Design, design_from_json
from ldnas.space.skeleton import default_skeleton
from worker.jobs.context import JobContext
from worker.jobs.stages.export import begin_export, export
from worker.jobs.stages.resolve import ResolvedTask, resolve
from worker.jobs.stages.train import memory_warnings, score_on_test, train_architecture
from worker.jobs.stages.weights_files import require_size
from worker.registry import ArchitectureRow
from worker.specification import TrainingParams

PLAN = {"resolve": 0.05, "train": 0.85, "export": 0.1}


def train_again(context: JobContext, params: dict[str, Any]) -> dict[str, Any]:
    """Train the network from its first weights on the task's images; the result is a new architecture.

    Its head has the task's classes. A cell's skeleton is that of the architecture, which constraints may have narrowed,
    or the default one if the images have another size.
    """
    wanted = TrainingParams.from_storage(params)
    with context.reading() as registry:
        found = registry.architectures.get(wanted.source_architecture_id)
    with context.stage("resolve"):
        task = resolve(context, wanted.task_id)
        design = _design(found, task)
        require_size(design)
    with context.stage("train"):
        trained = train_architecture(context, task, design, objective=wanted.objective)
        begun = begin_export(context, task, trained)
        test = score_on_test(context, task, trained)
    with context.stage("export"):
        architecture_id = export(
            context,
            task,
            trained,
            begun,
            name=task.name,
            test=test,
            architecture_id=wanted.architecture_id,
            trained_from=found.id,
        )
    warnings = [*task.warnings, *trained.warnings, *memory_warnings(context, trained.networks)]
    return {"architecture_id": architecture_id, "task_id": task.id, "test": test, "warnings": warnings}


def _design(found: ArchitectureRow, task: ResolvedTask) -> Design:
    """The design with the size and the classes of the new images."""
    design = design_from_json(found.network_design)
    if not isinstance(design, CellDesign):
        return replace(design, image_size=task.image_size, classes=task.classes)
    if design.image_size != task.image_size:
        return replace(design, skeleton=default_skeleton(task.image_size, task.classes))
    return replace(design, skeleton=replace(design.skeleton, classes=task.classes))
