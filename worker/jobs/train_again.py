"""The job `train_architecture`: trains the cell of an existing architecture on other data."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ldnas.space.genotype import Genotype
from ldnas.space.skeleton import Skeleton, default_skeleton
from worker.jobs.context import JobContext
from worker.jobs.stages.export import export
from worker.jobs.stages.resolve import ResolvedTask, resolve
from worker.jobs.stages.train import memory_warnings, score_on_test, train_architecture
from worker.specification import TrainingParams

PLAN = {"resolve": 0.05, "train": 0.85, "export": 0.1}


def train_again(context: JobContext, params: dict[str, Any]) -> dict[str, Any]:
    """Train the cell from fresh weights on the task's images; the result is a new architecture.

    Its head has the task's classes. Its skeleton is that of the architecture, which constraints may have narrowed, or
    the default one if the images have another size.
    """
    wanted = TrainingParams.from_storage(params)
    with context.reading() as registry:
        found = registry.architectures.get(wanted.source_architecture_id)
    with context.stage("resolve"):
        task = resolve(context, wanted.task_id)
    with context.stage("train"):
        trained = train_architecture(
            context,
            task,
            Genotype.from_json(found.genotype),
            _skeleton(found.skeleton, task),
            objective=wanted.objective,
        )
        test = score_on_test(context, task, trained)
    with context.stage("export"):
        architecture_id = export(
            context,
            task,
            trained,
            name=task.name,
            test=test,
            architecture_id=wanted.architecture_id,
            trained_from=found.id,
        )
    warnings = [*trained.warnings, *memory_warnings(context, trained.networks)]
    return {"architecture_id": architecture_id, "task_id": task.id, "test": test, "warnings": warnings}


def _skeleton(found: Mapping[str, Any], task: ResolvedTask) -> Skeleton:
    skeleton = Skeleton.from_json(found)
    if skeleton.image_size != task.image_size:
        return default_skeleton(task.image_size, task.classes)
    return replace(skeleton, classes=task.classes)
