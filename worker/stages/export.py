"""export: weights and standalone code as artifacts, and the row of the architecture that owns them."""

from typing import Any

from ldnas.export import save_weights, standalone_code
from worker.stages.context import JobContext
from worker.stages.resolve import ResolvedTask
from worker.stages.train import TrainedArchitecture

_PREPROCESSING = {
    "channels": "RGB; grey is repeated, transparency lies on white",
    "aspect_ratio": "centred on a black square",
    "resize": "bilinear, antialiased",
    "normalise": "x / 127.5 - 1",
}


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
    preprocessing = {"image_size": task.image_size, **_PREPROCESSING}
    class_names = task.full.class_names
    description = trained.to_json()
    code = standalone_code(trained.genotype, trained.skeleton, class_names, preprocessing).encode()
    weights = save_weights(trained.network, {"genotype": trained.genotype.digest, "classes": "\n".join(class_names)})
    with context.unit_of_work() as registry:
        digests = {}
        for kind, content, media_type in (
            ("weights", weights, "application/octet-stream"),
            ("code", code, "text/x-python; charset=utf-8"),
        ):
            digests[kind] = context.store.put(content)
            registry.results.keep_artifact(digests[kind], len(content), media_type)
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
