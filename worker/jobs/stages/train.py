"""train: trains the chosen network by the final recipe, and scores it once on test images that no stage has read."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, final

from safetensors.torch import load as load_safetensors
from torch import nn

from ldnas.data.task_data import ImageSet, TaskData
from ldnas.digests import json_digest
from ldnas.intervals import standard_error
from ldnas.networks.design import CellDesign, Design, PlainDesign, PretrainedDesign
from ldnas.networks.designed import build_designed, size_of
from ldnas.networks.pretrained import FROZEN_STAGES
from ldnas.objectives import OBJECTIVES, score
from ldnas.race.kinds import tuning_recipe
from ldnas.seeding import derive_seed
from ldnas.space.complexity import multiply_adds, parameters
from ldnas.space.genotype import Genotype
from ldnas.space.latency import measure_latency_ms
from ldnas.space.network import build_cell_network, start_from
from ldnas.space.skeleton import Skeleton
from ldnas.training.evaluation import Evaluation, evaluate
from ldnas.training.final import DataFacts, Learned, data_facts, final_config, warnings_of
from ldnas.training.train import TrainConfig
from worker.jobs.context import JobContext
from worker.jobs.stages.fitting import FitPlan, fit_once
from worker.jobs.stages.resolve import ResolvedTask
from worker.jobs.stages.test_evaluation import look
from worker.jobs.stages.weights_files import first_weights_of
from worker.registry import CellTraining, NetworkRow


@final
class CellDocument(TypedDict):
    """A cell in its skeleton, with the size of the network, as a JSON value."""

    genotype: dict[str, Any]
    skeleton: dict[str, Any]
    parameters: int
    macs: int


def cell_document(genotype: Genotype, skeleton: Skeleton) -> CellDocument:
    """The document of a cell."""
    return {
        "genotype": genotype.to_json(),
        "skeleton": skeleton.to_json(),
        "parameters": parameters(genotype, skeleton),
        "macs": multiply_adds(genotype, skeleton),
    }


@final
class NetworkDocument(TypedDict):
    """A network by its design, with its size, as a JSON value; the cell is None for a network without one."""

    kind: str
    design: dict[str, Any]
    genotype: dict[str, Any] | None
    skeleton: dict[str, Any] | None
    parameters: int
    macs: int


def network_document(design: Design) -> NetworkDocument:
    """The document of a network."""
    trainable, macs = size_of(design)
    own = design.to_json()
    return {
        "kind": design.kind.value,
        "design": own,
        "genotype": own.get("genotype"),
        "skeleton": own.get("skeleton"),
        "parameters": trainable,
        "macs": macs,
    }


@dataclass(frozen=True, eq=False)
class FinishedNetwork:
    """One network of a final training, in eval mode on the job's device, with its scores on validation images."""

    network: nn.Module
    row: NetworkRow
    validation: Evaluation


@dataclass(frozen=True, eq=False)
class TrainedArchitecture:
    """A finished network with its design.

    Attributes:
        best: the result: of all trained networks, the best on validation images.
        networks: all trained networks, one for each seed, in the order of the seeds.
        config: their recipe; None for the winner of a race.
        warnings: warnings about the data for readers of the scores.
    """

    design: Design
    best: FinishedNetwork
    networks: tuple[FinishedNetwork, ...]
    config: TrainConfig | None = None
    warnings: tuple[str, ...] = ()

    @property
    def network(self) -> nn.Module:
        return self.best.network

    def describe(self, latency_ms: float | None = None) -> dict[str, Any]:
        """The `architecture` of a recommendation, without its id; the latency is measured now unless it is given."""
        if latency_ms is None:
            latency_ms = measure_latency_ms(self.network, self.design.image_size)
        return {**network_document(self.design), "latency_ms": latency_ms}

    def validation(self) -> dict[str, float]:
        """The `validation` of a recommendation; fractions in [0, 1]."""
        scores = self.best.validation
        return {
            "accuracy": scores.accuracy,
            "balanced_accuracy": scores.balanced_accuracy,
            "macro_f1": scores.macro_f1,
        }


def train_architecture(
    context: JobContext,
    task: ResolvedTask,
    design: Design,
    *,
    objective: str = OBJECTIVES[0],
    epochs: int | None = None,
    seeds: int = 1,
    start: NetworkRow | None = None,
) -> TrainedArchitecture:
    """Train a network on the task's training images; validation images only measure it.

    It begins with the first weights of its design, or except for the head with those of `start`, a network of the same
    cell and widths. `epochs` is an upper limit on those of the recipe. The result is the best of `seeds` networks (at
    least one) under the objective on validation images, the first of equals.

    Raises:
        UnknownObjectiveError: no objective of that name.
    """
    seed = derive_seed(task.seed, "final", task.search_data_key)
    facts, config = final_recipe(context, task.full, seed=seed, objective=objective, epochs=epochs)
    if isinstance(design, PretrainedDesign):
        config = tuning_recipe(config)
    before = 0 if start is None else 1
    reporters = [_epoch_reporter(context, number, seeds, before=before) for number in range(seeds)]
    networks = tuple(
        finish(context, task, design, config, number=number, start=start, on_epoch=reporter)
        for number, reporter in enumerate(reporters)
    )
    best = max(networks, key=lambda finished: score(finished.validation, objective))
    return TrainedArchitecture(design, best, networks, config, warnings_of(facts, objective=objective))


def score_on_test(context: JobContext, task: ResolvedTask, trained: TrainedArchitecture) -> dict[str, Any]:
    """The `test` of a recommendation: the test evaluation of each finished network.

    The scores are stored with the network, and the predictions as an artifact, so that a second attempt or another job
    with the same network reads them. The scores are those of `trained.best`; the other networks show their spread.
    """
    images: ImageSet | None = None
    tests = {}
    for finished in trained.networks:
        test = finished.row.test
        if test is None:
            images = images or task.read_test_images(trained.design.image_size)
            test = look(context, finished.network, finished.row.key, images)
        tests[finished.row.key] = test
    accuracies = [test["accuracy"] for test in tests.values()]
    return {
        **tests[trained.best.row.key],
        "std_over_seeds": statistics.stdev(accuracies) if len(accuracies) > 1 else None,
        "seeds": len(accuracies),
    }


def final_recipe(
    context: JobContext,
    data: TaskData,
    *,
    seed: int,
    objective: str,
    epochs: int | None,
    learned: Learned | None = None,
) -> tuple[DataFacts, TrainConfig]:
    """The recipe of a final training on the data, with the facts about the data that it depends on (`data_facts`)."""
    device, memory = context.compute.device, context.compute.micro_batches
    train, validation = data.train.to(device), data.validation.to(device)
    classes = len(data.class_names)
    facts = data_facts(train, validation, classes=classes, seed=seed, learned=learned, micro_batches=memory)
    return facts, final_config(facts, objective=objective, epochs=epochs)


def design_name(design: Design) -> str:
    """The name of a design's network in a `FitPlan`, whose other fields determine its image size and its classes."""
    match design:
        case CellDesign():
            digest = json_digest({"genotype": design.genotype.to_json(), "skeleton": design.skeleton.to_json()})
            return f"cell:{digest[:32]}"
        case PlainDesign():
            return f"{design.name}:{design.width}"
        case _:
            return f"{design.name}:{f'frozen {FROZEN_STAGES}' if design.weights is None else design.weights[:32]}"


def finish(
    context: JobContext,
    task: ResolvedTask,
    design: Design,
    config: TrainConfig,
    *,
    number: int,
    start: NetworkRow | None = None,
    on_epoch: Callable[[int, int], None],
) -> FinishedNetwork:
    """Train the network of a design; each `number` has its own seed and content key.

    `start` is a network of the same cell and widths whose weights, except the head's, are the first ones.
    """

    def build() -> nn.Module:
        if start is None:
            return build_designed(design, seed=seed, weights=first_weights_of(context, design))
        assert isinstance(design, CellDesign), "only cells start from the weights of another task"
        network = build_cell_network(design.genotype, design.skeleton, seed=seed)
        start_from(network, load_safetensors(context.store.read(start.weights)))
        return network

    numbered = (number,) if number else ()
    seed = derive_seed(task.seed, "final", task.search_data_key, *numbered)
    plan = FitPlan(design_name(design), task.search_data_key, config, seed, None if start is None else start.key)
    row = fit_once(context, plan, build, task.full, on_epoch=on_epoch)
    network = build_designed(design, seed=seed, imagenet_weights=False)
    network.load_state_dict(load_safetensors(context.store.read(row.weights)))
    network.to(context.compute.device).eval()
    validation = evaluate(network, task.full.validation, micro_batches=context.compute.micro_batches)
    return FinishedNetwork(network, row, validation)


def cell_training(
    task: ResolvedTask, design: CellDesign, finished: FinishedNetwork, *, epochs: int | None
) -> CellTraining:
    """The row of a finished training of a cell; `epochs` is None for the winner of a race."""
    validation = finished.validation
    return CellTraining(
        key=finished.row.key,
        genotype=design.genotype.to_json(),
        skeleton=design.skeleton.to_json(),
        epochs=epochs,
        seed=finished.row.seed,
        validation_accuracy=validation.accuracy,
        validation_loss=validation.loss,
        standard_error=standard_error(validation.accuracy, len(task.full.validation)),
        seconds=finished.row.seconds,
    )


def memory_warnings(context: JobContext, networks: Sequence[FinishedNetwork]) -> tuple[str, ...]:
    """Warnings about batches that did not fit in memory; empty if all did."""
    if (size := context.compute.micro_batches.largest) is not None:
        return (
            f"memory did not suffice for whole batches: in the end at most {size} images went through a network at a "
            "time; gradients added up to those of the batch, but batch norm took its statistics from so few",
        )
    sizes = [row.micro_batch for row in (finished.row for finished in networks) if row.micro_batch is not None]
    if not sizes:
        return ()
    return (
        f"because memory ran out, an earlier job trained this network on {min(sizes)} images at a time: batch norm "
        "took its statistics from so few",
    )


def _epoch_reporter(context: JobContext, number: int, seeds: int, *, before: int) -> Callable[[int, int], None]:
    """Return a callback that reports the epochs of one of `seeds` networks, after `before` trainings of the stage."""
    which = f" of network {number + 1} of {seeds}" if seeds > 1 else ""

    def on_epoch(epoch: int, epochs: int) -> None:
        context.event("epoch", {"epoch": epoch, "epochs": epochs, "network": number + 1, "networks": seeds})
        share = (before + number + epoch / epochs) / (before + seeds)
        context.progress(share, f"final training{which}, epoch {epoch} of {epochs}")

    return on_epoch
