"""Fits a classifier to images."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ldnas.data.preprocessing import normalise
from ldnas.data.task_data import ImageSet
from ldnas.seeding import derive_seed
from ldnas.training.augmentation import Augmentation
from ldnas.training.averaging import WeightAverage
from ldnas.training.evaluation import Evaluation, evaluate, evaluate_logits, predict_logits
from ldnas.training.micro_batches import MicroBatches

__all__ = [
    "Evaluation",
    "FitState",
    "TrainConfig",
    "class_weights",
    "evaluate",
    "evaluate_logits",
    "fit",
    "iterate_minibatches",
    "predict_logits",
    "shuffled_batches",
]


@dataclass(frozen=True)
class TrainConfig:
    """How a network is fitted: AdamW on a one-cycle schedule (Smith & Topin, arXiv:1708.07120).

    Attributes:
        epochs: passes over the training images; see `epochs_for`.
        batch_size: images per step.
        learning_rate: the peak of the schedule.
        weight_decay: of AdamW, on all parameters.
        label_smoothing: a fraction in [0, 1).
        minimum_steps: with few images, epochs are added until there are this many steps.
        augmentation: the random changes to each training image.
        averaged: the share of all steps that the exponential average of the weights spans, in [0, 1]; the average is
            the result. 0: the result is the weights after the last step.
        class_weighting: exponent in [0, 1] of the classes' weights in the loss; see `class_weights`.
        mixed_precision: bfloat16 in the network's passes, on an accelerator only.
    """

    epochs: int = 6
    batch_size: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    label_smoothing: float = 0.0
    minimum_steps: int = 0
    augmentation: Augmentation = field(default_factory=Augmentation)
    averaged: float = 0.0
    class_weighting: float = 0.0
    mixed_precision: bool = False

    def epochs_for(self, images: int) -> int:
        """Epochs over `images` training images: `epochs`, or more where those have too few batches."""
        steps_per_epoch = math.ceil(images / self.batch_size)
        return max(self.epochs, math.ceil(self.minimum_steps / steps_per_epoch))


@dataclass(frozen=True)
class FitState:
    """Everything needed to resume after `epoch` finished epochs as if nothing had happened."""

    epoch: int
    network: dict[str, Tensor]
    optimizer: dict[str, object]
    average: dict[str, Tensor] | None = None


def iterate_minibatches(
    images: ImageSet, batch_size: int, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Normalised inputs `[B, 3, S, S]` and labels `[B]` in a shuffled order; see `shuffled_batches`."""
    for chosen in shuffled_batches(images, batch_size, generator):
        yield normalise(images.images[chosen]), images.labels[chosen]


def shuffled_batches(images: ImageSet, batch_size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """The images' numbers `[B]` in a shuffled order, every image once, on the device of the images.

    A last batch of a single image is left out: batch norm cannot be trained on it.
    """
    yield from _batches(images, torch.randperm(len(images), generator=generator), batch_size)


def _batches(images: ImageSet, order: Tensor, batch_size: int) -> Iterator[Tensor]:
    for chosen in order.split(batch_size):
        if len(chosen) > 1 or len(images) == 1:
            yield chosen.to(images.labels.device)


def class_weights(labels: Tensor, exponent: float) -> Tensor:
    """Weights of the classes that occur, `[C]`: n_c^-exponent, scaled so that the mean over all images is 1.

    At 0 every image weighs alike, at 1 every class does.
    """
    counts = torch.bincount(labels).double()
    weights = torch.where(counts > 0, counts.clamp(min=1) ** -exponent, 0.0)
    return (weights * len(labels) / (weights * counts).sum()).float()


def fit(
    network: nn.Module,
    train: ImageSet,
    *,
    config: TrainConfig,
    seed: int,
    parts: int = 1,
    state: FitState | None = None,
    on_epoch: Callable[[FitState], None] | None = None,
    micro_batches: MicroBatches | None = None,
) -> None:
    """Fit `network` in place on `train` (training images only), and leave it in eval mode.

    With `parts`, a pass over the images is divided into so many epochs of equal size: `config.epochs`, the epochs that
    `on_epoch` hears of and those of `state` are parts of a pass then.

    Every epoch has its own seeds, so a fit that resumes from the `state` passed to `on_epoch` repeats an uninterrupted
    run exactly (same host, build and number of threads). An exception from `on_epoch` ends the fit. If memory does not
    suffice for a batch, its gradients come from parts of it; see `MicroBatches`.

    Raises:
        OutOfMemoryError: memory does not suffice for the smallest parts.
    """
    micro_batches = micro_batches or MicroBatches()
    device = next(network.parameters()).device
    train = train.to(device)
    network.to(memory_format=torch.channels_last)
    images = math.ceil(len(train) / parts)
    epochs = config.epochs_for(images)
    steps = max(1, math.ceil(images / config.batch_size))
    optimizer = _begin_optimizer(network, config, device)
    if state is not None:
        network.load_state_dict(state.network)
        _resume(optimizer, state.optimizer)
    average = _begin_average(network, config, steps=epochs * steps, state=state)
    for epoch in range(state.epoch if state else 0, epochs):
        network.train()
        generator = torch.Generator().manual_seed(derive_seed(seed, "epoch", epoch))
        mean_loss = _mean_loss(network, train, config, generator)
        order = _order(len(train), epoch, parts, seed, generator)
        for step, chosen in enumerate(_batches(train, order, config.batch_size)):
            rate = config.learning_rate * _one_cycle((epoch * steps + step) / (epochs * steps))
            for group in optimizer.param_groups:
                group["lr"] = rate
            micro_batches.backward(network, (chosen,), mean_loss, image_size=train.images.shape[-1])
            optimizer.step()
            if average is not None:
                average.update(network)
        if on_epoch is not None:
            network.eval()
            averages = average.state() if average is not None else None
            on_epoch(FitState(epoch + 1, network.state_dict(), optimizer.state_dict(), averages))
    if average is not None:
        own = torch.Generator().manual_seed(derive_seed(seed, "average"))
        average.put_into(network, train, own, micro_batches=micro_batches)
    network.eval()


def _order(images: int, epoch: int, parts: int, seed: int, generator: torch.Generator) -> Tensor:
    """The numbers of an epoch's images `[N]`; `generator` is the epoch's."""
    if parts == 1:
        return torch.randperm(images, generator=generator)
    number, part = divmod(epoch, parts)
    of_pass = torch.Generator().manual_seed(derive_seed(seed, "pass", number))
    return torch.randperm(images, generator=of_pass).tensor_split(parts)[part]


def _begin_optimizer(network: nn.Module, config: TrainConfig, device: torch.device) -> torch.optim.AdamW:
    # In one pass over each parameter: a step of the optimizer alone is 2 to 3 times as fast on a processor.
    fused = device.type in ("cpu", "cuda")
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return torch.optim.AdamW(trained, lr=config.learning_rate, weight_decay=config.weight_decay, fused=fused)


def _resume(optimizer: torch.optim.Optimizer, saved: dict[str, object]) -> None:
    optimizer.load_state_dict(saved)
    for parameter, moments in optimizer.state.items():
        for kind, value in moments.items():
            if value.shape == parameter.shape:
                # The fused step pairs elements by their place in memory, whatever the strides.
                moments[kind] = torch.empty_like(parameter).copy_(value).detach()


def _begin_average(
    network: nn.Module, config: TrainConfig, *, steps: int, state: FitState | None
) -> WeightAverage | None:
    if not config.averaged:
        return None
    return WeightAverage.of(network, steps=config.averaged * steps, saved=state.average if state else None)


def _mean_loss(
    network: nn.Module, train: ImageSet, config: TrainConfig, generator: torch.Generator
) -> Callable[[Tensor], Tensor]:
    """Return the function from the indices [B] of training images to their mean loss, with random augmentation."""
    weights = class_weights(train.labels, config.class_weighting) if config.class_weighting else None
    device = train.labels.device
    mixed = config.mixed_precision and device.type == "cuda"

    def loss(chosen: Tensor) -> Tensor:
        inputs = config.augmentation.apply(normalise(train.images[chosen]), generator)
        labels = train.labels[chosen]
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=mixed):
            logits = network(inputs.contiguous(memory_format=torch.channels_last))
        if weights is None:
            return F.cross_entropy(logits.float(), labels, label_smoothing=config.label_smoothing)
        losses = F.cross_entropy(logits.float(), labels, label_smoothing=config.label_smoothing, reduction="none")
        # Not cross_entropy's own weights: those divide by the batch's sum of them, and a batch without a rare class
        # would weigh as much as one with all of them.
        return (losses * weights[labels]).mean()

    return loss


def _one_cycle(progress: float, warm_up: float = 0.3) -> float:
    """The factor on the peak learning rate at `progress` in [0, 1): a cosine up from 1/25, then down to nearly 0."""
    if progress < warm_up:
        start, end, position = 1 / 25, 1.0, progress / warm_up
    else:
        start, end, position = 1.0, 1e-4, (progress - warm_up) / (1 - warm_up)
    return end + (start - end) * (1 + math.cos(math.pi * position)) / 2
