"""export: weights and standalone code as artifacts, and the row of the architecture that owns them."""

from typing import Any

from ldnas.data.preprocessing import Preprocessing
from ldnas.export import save_weights, standalone_code
from worker.stages.context import JobContext
from worker.stages.resolve import ResolvedTask
from worker.stages.train import TrainedArchitecture


def export(
    context: JobContext,
    task: ResolvedTask,
    trained: TrainedArchitecture,
    *,
    recommendation_id: str,
    name: str | None,
    test: dict[str, Any],
) -> str:
    """Stores what a person takes home and gives the architecture's id; a repeated export gives the same one."""
    preprocessing = Preprocessing(task.image_size).to_json()
    class_names = task.full.class_names
    description = trained.describe()
    code = standalone_code(trained.genotype, trained.skeleton, class_names, preprocessing).encode()
    weights = save_weights(trained.network, {"genotype": trained.genotype.digest, "classes": "\n".join(class_names)})
    digests = {"weights": context.store.put(weights), "code": context.store.put(code)}
    with context.unit_of_work() as registry:
        registry.results.keep_artifact(digests["weights"], len(weights), "application/octet-stream")
        registry.results.keep_artifact(digests["code"], len(code), "text/x-python; charset=utf-8")
        architecture = registry.architectures.insert_once(
            recommendation_id=recommendation_id,
            job_id=context.job_id,
            name=name or task.name,
            genotype=description["genotype"],
            skeleton=description["skeleton"],
            class_names=list(class_names),
            preprocessing=preprocessing,
            parameters=description["parameters"],
            macs=description["macs"],
            validation=trained.validation(),
            test=test,
            **digests,
        )
        document = {"architecture": {"id": architecture.id, **description}}
        registry.recommendations.merge_document(recommendation_id, context.job_id, context.fence, document)
    return architecture.id
