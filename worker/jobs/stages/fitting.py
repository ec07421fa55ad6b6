"""Trains a network once: a stored network with the same content key is reused, and an interrupted fit is resumed."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from safetensors.torch import save as save_safetensors
from torch import nn

from ldnas.data.task_data import TaskData
from ldnas.digests import json_digest
from ldnas.training.evaluation import Evaluation, evaluate
from ldnas.training.train import FitState, TrainConfig, fit
from worker.jobs.checkpoints import tensors_from_bytes, tensors_to_bytes
from worker.jobs.context import JobContext
from worker.registry import NetworkRow

REPORT_SECONDS = 0.5


@dataclass(frozen=True)
class FitPlan:
    """One fit: `architecture` and `seed` determine the initial weights, `data_key` and `config` how they change.

    `start` is the key of a network whose weights, except the head's, are the initial ones; None for fresh weights.
    """

    architecture: str
    data_key: str
    config: TrainConfig
    seed: int
    start: str | None = None

    @property
    def key(self) -> str:
        """The content key: equal plans give equal weights on the same kind of machine."""
        fields = asdict(self)
        if self.start is None:  # keys from before starts existed must not change
            del fields["start"]
        return json_digest({"what": "network", **fields})


def fit_once(
    context: JobContext,
    plan: FitPlan,
    build: Callable[[], nn.Module],
    data: TaskData,
    *,
    on_epoch: Callable[[int, int], None] = lambda epoch, epochs: None,
) -> NetworkRow:
    """The network of `plan`: already stored, or fitted now on `data.train`, measured on `data.validation`, and stored.

    `on_epoch` is called with the finished epochs and their total, at most twice a second and at the end.
    """
    with context.unit_of_work() as registry:
        stored = registry.results.use_network(plan.key)
    if stored is not None and context.store.exists(stored.weights):
        context.found(stored.seconds)
        return stored
    started = time.monotonic()
    network = build().to(context.compute.device)
    epochs = plan.config.epochs_for(len(data.train))

    reported = started

    def after_epoch(state: FitState) -> None:
        nonlocal reported
        # Tiny data has hundreds of epochs that take less time than reporting them.
        if state.epoch == epochs or time.monotonic() - reported >= REPORT_SECONDS:
            reported = time.monotonic()
            on_epoch(state.epoch, epochs)
        if context.checkpoints.due() and state.epoch < epochs:
            context.checkpoints.save(plan.key, tensors_to_bytes(vars(state)))

    begun = context.checkpoints.load(plan.key)
    state = FitState(**tensors_from_bytes(begun)) if begun is not None else None
    fit(
        network,
        data.train,
        config=plan.config,
        seed=plan.seed,
        state=state,
        on_epoch=after_epoch,
        micro_batches=context.compute.micro_batches,
    )
    return _store(context, plan, network, data, seconds=time.monotonic() - started)


def _store(context: JobContext, plan: FitPlan, network: nn.Module, data: TaskData, *, seconds: float) -> NetworkRow:
    memory = context.compute.micro_batches
    largest = memory.largest
    validation = evaluate(network, data.validation, micro_batches=memory)
    micro_batch = largest if largest is not None and largest < plan.config.batch_size else None
    return store_fitted(
        context,
        network,
        key=plan.key,
        architecture=plan.architecture,
        seed=plan.seed,
        classes=len(data.class_names),
        validation=validation,
        micro_batch=micro_batch,
        seconds=seconds,
    )


def store_fitted(
    context: JobContext,
    network: nn.Module,
    *,
    key: str,
    architecture: str,
    seed: int,
    classes: int,
    validation: Evaluation,
    micro_batch: int | None,
    seconds: float,
) -> NetworkRow:
    """Store a fitted network under its content key, with its scores on validation images.

    `micro_batch` is the number of images that went through it at a time, None for whole batches.
    """
    content = save_safetensors({name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()})
    weights = context.store.put(content)
    with context.unit_of_work() as registry:
        registry.results.store_artifact(weights, len(content), "application/octet-stream")
        return registry.results.store_network(
            key=key,
            architecture=architecture,
            seed=seed,
            classes=classes,
            weights=weights,
            parameters=sum(parameter.numel() for parameter in network.parameters()),
            validation_accuracy=validation.accuracy,
            validation_balanced_accuracy=validation.balanced_accuracy,
            micro_batch=micro_batch,
            seconds=seconds,
        )
