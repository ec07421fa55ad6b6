"""fit: the R networks that represent a task."""

from dataclasses import dataclass, replace

from safetensors.torch import load as load_safetensors

from ldnas.data.part import ENOUGH_IMAGES, part_of_each_class
from ldnas.digests import json_digest
from ldnas.forecast import seconds_of_epoch
from ldnas.networks.build import build_network
from ldnas.networks.classifier import Classifier
from ldnas.recipe import MEASURES, default_recipe
from ldnas.seeding import derive_seed
from ldnas.training.train import TrainConfig
from worker.jobs.context import JobContext
from worker.jobs.memo import Codec
from worker.jobs.stages.fitting import FitPlan, fit_once
from worker.jobs.stages.own_network import store_own_network
from worker.jobs.stages.resolve import ResolvedTask
from worker.registry import NetworkRow

TASK_NETWORK_CONFIG = TrainConfig(epochs=3, minimum_steps=60)

FIT_SHARE = 0.1
"""The share of a race's seconds that the target's networks may take, as many as the client did not ask for."""

IMAGES: Codec[int] = Codec(lambda images: images, int)
_IMAGES_NAME = "fit.images"


@dataclass(frozen=True)
class FittedNetwork:
    """One repetition's network, and whether it approximates its task (balanced validation accuracy ≥ 1 − ε)."""

    network: NetworkRow
    approximation: bool


def fit_task_networks(
    context: JobContext, task: ResolvedTask, *, seconds: float | None = None
) -> tuple[FittedNetwork, ...]:
    """Train the missing ones of the task's R networks, and link all of them to it, in order of repetition.

    With `seconds`, only as many of them as take these seconds, at least one; the first one's seconds predict the
    others'. They learn a part of the training images where all would take longer, but at least `ENOUGH_IMAGES`. A task
    with uploaded weights has only that network.
    """
    if task.weights is not None:
        return (_link(context, task, 0, store_own_network(context, task, task.weights), of=1),)
    images = len(task.proxy.train)
    if seconds is not None and images > ENOUGH_IMAGES:
        images = context.once(_IMAGES_NAME, lambda: _affordable_images(context, task, seconds), IMAGES)
    first = _fit(context, task, 0, of=task.repetitions, images=images)
    repetitions = task.repetitions if seconds is None else affordable_networks(task.repetitions, seconds, first.seconds)
    fitted = [_link(context, task, 0, first, of=repetitions)]
    for repetition in range(1, repetitions):
        network = _fit(context, task, repetition, of=repetitions, images=images)
        fitted.append(_link(context, task, repetition, network, of=repetitions))
    return tuple(fitted)


def affordable_networks(repetitions: int, seconds: float, each: float) -> int:
    """The number of networks that these seconds suffice for if one takes `each`: between one and `repetitions`."""
    return repetitions if repetitions * each <= seconds else max(1, int(seconds / each))


def fewer_networks_warning(trained: int, repetitions: int) -> str:
    """The warning about distances from fewer networks than usual."""
    lost = "have no interval and no probability" if trained == 1 else "are less certain"
    return (
        f"the distances come from {trained} of {repetitions} networks of the task, since more would take over a tenth "
        f"of the seconds; they {lost}; `repetitions` sets the number"
    )


def _affordable_images(context: JobContext, task: ResolvedTask, seconds: float) -> int:
    """The number of training images that one network learns within these seconds."""
    device, train = context.compute.device, task.proxy.train
    each = seconds_of_epoch(
        build_network(task.architecture, classes=task.classes, seed=0).to(device),
        train.to(device),
        TASK_NETWORK_CONFIG,
        clock=context.clock,
        micro_batches=context.compute.micro_batches,
    )
    share = seconds / (TASK_NETWORK_CONFIG.epochs_for(len(train)) * each)
    return min(len(train), max(ENOUGH_IMAGES, int(share * len(train))))


def fewer_images_warning(context: JobContext, task: ResolvedTask) -> str | None:
    """The warning about networks that learned a part of the training images; None where they learned all."""
    whole = len(task.proxy.train)
    if _IMAGES_NAME not in context.memo or (images := context.memo.stored(_IMAGES_NAME, IMAGES)) >= whole:
        return None
    return (
        f"the networks that the distances come from learned {images:,} of {whole:,} training images, since all would "
        "take over a tenth of the seconds"
    )


def _fit(context: JobContext, task: ResolvedTask, repetition: int, *, of: int, images: int) -> NetworkRow:
    """The network of one repetition, which learns so many of the images: already stored, or trained now."""

    def on_epoch(epoch: int, epochs: int) -> None:
        message = f"network {repetition + 1} of {of}, epoch {epoch} of {epochs}"
        context.progress((repetition + epoch / epochs) / of, message)

    seed = derive_seed(task.seed, "network", task.data_key, repetition)
    data, key = task.proxy, task.data_key
    if images < len(data.train):
        data = replace(data, train=part_of_each_class(data.train, images, seed=task.seed))
        key = json_digest({"data": task.data_key, "images": images})
    return fit_once(
        context,
        FitPlan(task.architecture, key, TASK_NETWORK_CONFIG, seed),
        lambda: build_network(task.architecture, classes=task.classes, seed=seed),
        data,
        on_epoch=on_epoch,
    )


def load_task_network(context: JobContext, network: NetworkRow) -> Classifier:
    """Load a stored task network onto the job's device, in eval mode."""
    classifier = build_network(network.architecture, classes=network.classes, seed=0)
    classifier.load_state_dict(load_safetensors(context.store.read(network.weights)))
    return classifier.to(context.compute.device).eval()


def is_approximation(network: NetworkRow, epsilon: float) -> bool:
    """Whether a network approximates its task: balanced validation accuracy ≥ 1 − ε."""
    return network.validation_balanced_accuracy >= 1 - epsilon


def _link(context: JobContext, task: ResolvedTask, repetition: int, network: NetworkRow, *, of: int) -> FittedNetwork:
    approximation = is_approximation(network, task.epsilon)
    story = {
        "repetition": repetition,
        "repetitions": of,
        "balanced_validation_accuracy": network.validation_balanced_accuracy,
        "approximation": approximation,
    }
    # The matrix' diagonal: a network is at distance 0 from itself whatever the images, by Eq. 2.
    itself = {
        "source_network": network.key,
        "target_network": network.key,
        "data_key": task.data_key,
        "recipe_digest": default_recipe(task.architecture).digest,
        "value": 0.0,
        "signed": 0.0,
    }
    with context.unit_of_work() as registry:
        registry.task_results.link_network(task.id, repetition, network.key)
        registry.results.store_distances([{**itself, "measure": measure} for measure in MEASURES])
        registry.leases.add_event(context.job_id, context.attempt, "network", story)
    return FittedNetwork(network, approximation)
