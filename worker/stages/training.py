"""The job `train_architecture`: the cell of an architecture that was found before, trained on other data."""

from typing import Any

from ldnas.space.genotype import Genotype
from worker.stages.context import JobContext
from worker.stages.export import export
from worker.stages.resolve import resolve
from worker.stages.train import score_on_test, train_architecture

PLAN = {"resolve": 0.05, "train": 0.85, "export": 0.1}


def train_again(context: JobContext, params: dict[str, Any]) -> dict[str, Any]:
    """Trains the cell from fresh weights on the task's images; the result is an architecture of its own.

    Its head has the task's classes; its skeleton is the one for the task's image size.
    """
    with context.reading() as registry:
        found = registry.architectures.get(params["source_architecture_id"])
    with context.stage("resolve"):
        task = resolve(context, params["task_id"])
    with context.stage("train"):
        trained = train_architecture(context, task, Genotype.from_json(found.genotype))
        test = score_on_test(context, task, trained)
    with context.stage("export"):
        architecture_id = export(
            context,
            task,
            trained,
            name=task.name,
            test=test,
            architecture_id=params["architecture_id"],
            trained_from=found.id,
        )
    return {"architecture_id": architecture_id, "task_id": task.id, "test": test}
