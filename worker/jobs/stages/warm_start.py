"""warm start: trains the found cell on the closest baseline's images, to start the target's training from it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import torch
from safetensors.torch import load as load_safetensors
from torch import Tensor

from ldnas.data.dataset import Split, count_common, fingerprints
from ldnas.data.labels import LabelMapping
from ldnas.data.preprocessing import Preprocessing
from ldnas.data.reference import DatasetReference
from ldnas.data.task_data import TaskData, task_data
from ldnas.digests import json_digest
from ldnas.errors import RefusedError
from ldnas.networks.design import CellDesign
from ldnas.seeding import derive_seed
from ldnas.space.genotype import Genotype
from ldnas.space.network import build_cell_network
from ldnas.space.skeleton import Skeleton
from ldnas.training.final import DataFacts, final_config
from worker.errors import NotFoundError
from worker.jobs.context import JobContext
from worker.jobs.memo import Codec
from worker.jobs.stages.baselines import ClosestTask
from worker.jobs.stages.fitting import FitPlan, fit_once
from worker.jobs.stages.resolve import ResolvedTask, read_dataset
from worker.jobs.stages.train import design_name, final_recipe
from worker.registry import NetworkRow, TaskRow

Document = Mapping[str, Any]


@dataclass(frozen=True)
class WarmStart:
    """The start of a final training: the key of a network, and the id and the name of the task it was trained on."""

    task_id: str
    name: str
    network: str

    def in_words(self) -> str:
        """The start for the model card."""
        return f"{self.name} (network {self.network})"


@dataclass(frozen=True)
class WarmStartOutcome:
    """The start, or None with a warning that has the reason."""

    start: WarmStart | None
    warning: str | None = None

    @classmethod
    def from_json(cls, value: Document) -> Self:
        """The outcome written by `to_json`."""
        start = value["start"]
        return cls(None if start is None else WarmStart(**start), value["warning"])

    def to_json(self) -> dict[str, Any]:
        """The outcome as a JSON value; its `start` is the `warm_start` of a recommendation."""
        return asdict(self)


WARM_START = Codec(WarmStartOutcome.to_json, WarmStartOutcome.from_json)


class WarmStartFailedError(Exception):
    """A warm start is not possible; the message has the reason."""


def start_network(context: JobContext, start: WarmStart | None) -> NetworkRow | None:
    """The stored network of a warm start; None if the job is retried so late that the cleaner has removed it."""
    if start is None:
        return None
    with context.unit_of_work() as registry:
        return registry.results.use_network(start.network)


def diverged(weights: Mapping[str, Tensor]) -> bool:
    """Whether any weight is not finite."""
    return not all(bool(torch.isfinite(tensor).all()) for tensor in weights.values())


def source_work(context: JobContext, task: ResolvedTask, closest: ClosestTask | None, *, capped: bool) -> float:
    """The training cost of the closest task's network relative to one of the target's; 0 without a closest task.

    `capped`: under a budget in seconds, which limits it to the cost of one of the target's networks.
    """
    source = _find_task(context, closest)
    if source is None or source.counts is None or source.class_names is None:
        return 0.0
    own = _passes(len(task.full.train), task.classes)
    work = _passes(source.counts["train"], len(source.class_names)) / own
    return min(1.0, work) if capped else work


def train_source(
    context: JobContext,
    task: ResolvedTask,
    closest: ClosestTask | None,
    genotype: Genotype,
    skeleton: Skeleton,
    *,
    objective: str,
    epochs: int | None,
    seeds: int,
) -> WarmStartOutcome:
    """Train the cell's network on the task `closest`, if that is possible.

    It is the same network as in a final training of the cell on that task at the target's image size, stored under the
    same content key. Only training and validation images are read. `epochs` are those that a budget in seconds leaves
    the target, `seeds` the number of the target's networks still to be trained.
    """
    try:
        source = _require_task(context, closest)
        start = _train(context, task, source, genotype, skeleton, objective=objective, epochs=epochs, seeds=seeds)
    except WarmStartFailedError as failed:
        reason = f"the final training began from fresh weights, without a warm start: {failed}"
        return WarmStartOutcome(None, reason)
    return WarmStartOutcome(start)


def _train(
    context: JobContext,
    task: ResolvedTask,
    source: TaskRow,
    genotype: Genotype,
    skeleton: Skeleton,
    *,
    objective: str,
    epochs: int | None,
    seeds: int,
) -> WarmStart:
    data = _read(context, source, task)
    limit = None if epochs is None else _affordable_epochs(task, data, epochs)
    key = json_digest(asdict(data.digests))
    seed = derive_seed(source.seed, "final", key)

    def on_epoch(epoch: int, epochs: int) -> None:
        context.event("epoch", {"epoch": epoch, "epochs": epochs, "source_task_id": source.id})
        context.progress(epoch / epochs / (1 + seeds), f"warm start on {source.name}, epoch {epoch} of {epochs}")

    _, config = final_recipe(context, data, seed=seed, objective=objective, epochs=limit)
    skeleton = replace(skeleton, classes=len(data.class_names))
    plan = FitPlan(design_name(CellDesign(genotype, skeleton)), key, config, seed)
    network = fit_once(
        context, plan, lambda: build_cell_network(genotype, skeleton, seed=seed), data, on_epoch=on_epoch
    )
    weights = load_safetensors(context.store.read(network.weights))
    if diverged(weights):
        raise WarmStartFailedError(f"the network of {source.name} diverged")
    return WarmStart(source.id, source.name, network.key)


def _require_task(context: JobContext, closest: ClosestTask | None) -> TaskRow:
    if closest is None:
        raise WarmStartFailedError("the target has no close task")
    source = _find_task(context, closest)
    if source is None:
        raise WarmStartFailedError(f"the task {closest.name} is not registered any more")
    return source


def _find_task(context: JobContext, closest: ClosestTask | None) -> TaskRow | None:
    if closest is None:
        return None
    try:
        with context.reading() as registry:
            return registry.tasks.get(closest.task_id)
    except NotFoundError:
        return None


def _read(context: JobContext, source: TaskRow, target: ResolvedTask) -> TaskData:
    """The source's training and validation images at the target's image size."""
    try:
        dataset = read_dataset(context, source, DatasetReference.from_json(source.dataset))
        mapping = LabelMapping.from_json(source.labels) if source.labels is not None else None
        data = task_data(dataset, mapping, Preprocessing(target.image_size))
    except (RefusedError, OSError) as error:  # the warm start is optional and must not fail the job
        raise WarmStartFailedError(f"the images of {source.name} cannot be read any more ({error})") from error
    if dataset.digest != target.dataset.digest:
        judges = fingerprints(target.dataset, Split.VALIDATION, Split.TEST)
        if seen := count_common(judges, fingerprints(dataset, Split.TRAIN)):
            raise WarmStartFailedError(
                f"{seen} of the images that {source.name} is trained on are validation or test images of the target"
            )
    return data


def _affordable_epochs(task: ResolvedTask, source: TaskData, epochs: int) -> int:
    """The source's epochs if a budget in seconds leaves the target `epochs`, as assumed by `source_work`."""
    images, own = len(source.train), len(task.full.train)
    work = _passes(images, len(source.class_names)) / _passes(own, task.classes)
    affordable = int(min(1.0, work) * epochs * own / images)
    if affordable < 1:
        raise WarmStartFailedError(f"the budget does not allow a single pass over its {images} training images")
    return affordable


def _passes(images: int, classes: int) -> int:
    """How often the whole recipe of a final training uses each image."""
    each = (images // classes,) * classes
    facts = DataFacts(each, validation_images=1, image_size=32, colour=False, mirrors=False)
    return images * final_config(facts).epochs_for(images)
