"""The one network of a task with uploaded weights: measured on validation images, never trained."""

import time

from ldnas.digests import json_digest
from ldnas.networks.given import FIELD, given_network
from ldnas.training.evaluation import evaluate
from worker.jobs.context import JobContext
from worker.jobs.stages.resolve import ResolvedTask
from worker.jobs.stages.weights_files import uploaded_weights
from worker.registry import NetworkRow


def store_own_network(context: JobContext, task: ResolvedTask, weights: str) -> NetworkRow:
    """The network with the weights of the uploaded file `weights`: already stored, or measured now and stored.

    Raises:
        DatasetNotFoundError: no uploaded file has the name, or its content is missing.
        UnreadableDatasetError, UnfitWeightsError: see `given_network`.
    """
    with context.reading() as registry:
        linked = registry.task_results.networks(task.id)
    if linked and context.store.exists(linked[0].weights):
        return linked[0]
    row, file = uploaded_weights(context, weights, FIELD)
    started = time.monotonic()
    network = given_network(task.architecture, classes=task.classes, weights=file, name=weights)
    network.to(context.compute.device)
    validation = evaluate(network, task.proxy.validation, micro_batches=context.compute.micro_batches)
    identity = {"architecture": task.architecture, "data_key": task.data_key, "weights": row.sha256}
    with context.unit_of_work() as registry:
        return registry.results.store_network(
            key=json_digest({"what": "given network", **identity}),
            architecture=task.architecture,
            seed=task.seed,
            classes=task.classes,
            weights=row.sha256,
            parameters=sum(parameter.numel() for parameter in network.parameters()),
            validation_accuracy=validation.accuracy,
            validation_balanced_accuracy=validation.balanced_accuracy,
            seconds=time.monotonic() - started,
        )
