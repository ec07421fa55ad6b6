"""export: the finished network as files in the artifact store, and the row of the architecture that owns them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import torch
from torch import nn

from ldnas.data.preprocessing import Preprocessing
from ldnas.export.card import CardFacts, model_card
from ldnas.export.description import NetworkDescription
from ldnas.export.formats import export_program, onnx_model, onnx_versions, save_program, save_weights, standalone_code
from ldnas.export.loading import load_network
from ldnas.networks.design import CellDesign, Design, PretrainedDesign, design_from_json
from worker.jobs.context import JobContext
from worker.jobs.stages.resolve import ResolvedTask
from worker.jobs.stages.train import TrainedArchitecture, cell_training

_MEDIA_TYPES = {
    "weights": "application/octet-stream",
    "code": "text/x-python; charset=utf-8",
    "program": "application/octet-stream",
    "onnx": "application/octet-stream",
    "card": "text/markdown; charset=utf-8",
}


@dataclass(frozen=True, eq=False)
class BegunExport:
    """An export whose graphs another process traces, where there is one, while this process scores the network.

    Attributes:
        description: the `architecture` of a recommendation, without its id.
        weights: the content of the weights file.
    """

    description: dict[str, Any]
    network: NetworkDescription
    weights: bytes


def begin_export(
    context: JobContext,
    task: ResolvedTask,
    trained: TrainedArchitecture,
    *,
    latency_ms: float | None = None,
    started_from: str | None = None,
) -> BegunExport:
    """Describe the finished network, and let the context's side process begin to trace it.

    Args:
        latency_ms: that of the network, if it was measured for a limit; otherwise it is measured first.
        started_from: the source of its first weights, in words; None for fresh ones.
    """
    description = trained.describe(latency_ms)
    preprocessing = Preprocessing(trained.design.image_size, task.dataset.value_range)
    network = NetworkDescription(trained.design, tuple(task.full.class_names), preprocessing, started_from)
    metadata = network.metadata()
    weights = save_weights(trained.network, metadata)
    if context.tracing is not None:
        context.tracing.begin(weights, trained.design.to_json(), metadata)
    return BegunExport(description, network, weights)


def trace(weights: bytes, design: dict[str, Any], metadata: dict[str, str]) -> dict[str, bytes]:
    """The content of `program` and `onnx`, from the content of the weights file and the design as a JSON value."""
    return _graphs(load_network(weights, design), design_from_json(design).image_size, metadata)


def export(
    context: JobContext,
    task: ResolvedTask,
    trained: TrainedArchitecture,
    begun: BegunExport,
    *,
    name: str,
    test: dict[str, Any],
    recommendation_id: str | None = None,
    architecture_id: str | None = None,
    trained_from: str | None = None,
) -> str:
    """Store the files that a user can download and return the architecture's id; a repeated export returns the same id.

    The architecture of a recommendation is exported once, also by an attempt after one that was interrupted later.
    If it is a cell with fresh first weights, its network becomes a trained cell of the target,
    whose trainings are stored.

    All files or none: a file that cannot be written is a bug, and an architecture without it would hide the bug.

    Args:
        recommendation_id: the recommendation whose answer gets the architecture.
        architecture_id: the id of an architecture that does not belong to a recommendation.
        trained_from: the architecture whose design is trained again.
    """
    if recommendation_id is not None:
        with context.reading() as registry:
            exported = registry.architectures.of_recommendation(recommendation_id)
        if exported is not None:
            return exported.id
    description, network = begun.description, begun.network
    files = _files(context, trained, begun)
    facts = CardFacts(
        name=name,
        data=_data(task),
        class_counts=torch.bincount(task.full.train.labels, minlength=task.classes).tolist(),
        validation=trained.validation(),
        test=test,
        parameters=description["parameters"],
        macs=description["macs"],
        onnx=onnx_versions(files["onnx"]),
        provenance=_provenance(task, network, trained_from),
    )
    files["card"] = model_card(network, facts).encode()
    digests = {file: context.store.put(content) for file, content in files.items()}
    identity = {} if architecture_id is None else {"id": architecture_id}
    with context.unit_of_work() as registry:
        for file, content in files.items():
            registry.results.store_artifact(digests[file], len(content), _MEDIA_TYPES[file])
        architecture = registry.architectures.insert_once(
            **identity,
            recommendation_id=recommendation_id,
            job_id=context.job_id,
            name=name,
            design=description["design"],
            genotype=description["genotype"],
            skeleton=description["skeleton"],
            class_names=list(network.class_names),
            preprocessing=network.preprocessing.to_json(),
            parameters=description["parameters"],
            macs=description["macs"],
            validation=trained.validation(),
            test=test,
            **digests,
        )
        if recommendation_id is not None:
            document = {"architecture": {"id": architecture.id, **description}}
            registry.recommendations.merge_document(recommendation_id, context.job_id, context.attempt, document)
            # A warm start brings in weights that another task's images formed, which the check for leakage cannot see.
            if isinstance(trained.design, CellDesign) and network.started_from is None:
                registry.task_results.link_cell(task.id, trained.best.row.key, trained.design.to_json())
                epochs = None if trained.config is None else trained.config.epochs_for(len(task.full.train))
                for finished in trained.networks:
                    training = cell_training(task, trained.design, finished, epochs=epochs)
                    registry.task_results.store_training(task.id, training)
    return architecture.id


def _files(context: JobContext, trained: TrainedArchitecture, begun: BegunExport) -> dict[str, bytes]:
    """The content of each file but the card, by the column that holds its digest."""
    context.progress(0.1, "tracing the network and translating it to ONNX")
    graphs = None if context.tracing is None else context.tracing.result()
    if graphs is None:
        graphs = _graphs(trained.network, trained.design.image_size, begun.network.metadata())
    return {"weights": begun.weights, "code": standalone_code(begun.network).encode(), **graphs}


def _graphs(network: nn.Module, image_size: int, metadata: Mapping[str, str]) -> dict[str, bytes]:
    program = export_program(network, image_size)
    return {"program": save_program(program, metadata), "onnx": onnx_model(program, metadata)}


def _data(task: ResolvedTask) -> dict[str, Any]:
    """The `data` of the card."""
    return {
        "uri": task.reference.shown,
        "labels": None if task.mapping is None else task.mapping.to_json(),
        **asdict(task.full.counts),
        "digests": asdict(task.full.digests),
    }


def _provenance(task: ResolvedTask, network: NetworkDescription, trained_from: str | None) -> dict[str, str]:
    """The `provenance` of the card, without facts about the job, so that equal networks have equal cards."""
    return {
        **_own_provenance(network.design),
        **({} if trained_from is None else {"found as architecture": trained_from}),
        **({} if network.started_from is None else {"training began at the weights of": network.started_from}),
        "seed": str(task.seed),
        **{package: version(package) for package in ("ldnas", "torch")},
    }


def _own_provenance(design: Design) -> dict[str, str]:
    if isinstance(design, CellDesign):
        edges = design.genotype.to_json()["edges"]
        return {"cell": ", ".join(f"{start}→{end} {primitive}" for start, end, primitive in edges)}
    if isinstance(design, PretrainedDesign) and design.weights is not None:
        return {"network": design.name, "SHA-256 of the first weights": design.weights}
    return {"network": design.name}
