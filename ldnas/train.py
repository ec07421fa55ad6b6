"""Fitting a classifier to images, and measuring it."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ldnas.data.preprocessing import normalise
from ldnas.data.task_data import ImageSet
from ldnas.seeding import derive_seed


@dataclass(frozen=True)
class TrainConfig:
    """How a network is fitted: AdamW on a one-cycle schedule (Smith & Topin, arXiv:1708.07120).

    `shift_pixels` is the largest random translation of a training image, in pixels per axis.
    `label_smoothing` is a fraction in [0, 1). `learning_rate` is the peak of the schedule.
    """

    epochs: int = 6
    batch_size: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    label_smoothing: float = 0.0
    shift_pixels: int = 0
    minimum_steps: int = 0

    def epochs_for(self, images: int) -> int:
        """Epochs over `images` training images: `epochs`, or more where those have too few batches."""
        steps_per_epoch = math.ceil(images / self.batch_size)
        return max(self.epochs, math.ceil(self.minimum_steps / steps_per_epoch))


@dataclass(frozen=True)
class FitState:
    """All that is needed to go on after `epoch` finished epochs as if nothing had happened."""

    epoch: int
    network: dict[str, Tensor]
    optimizer: dict[str, object]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a network does on a set of images. Fractions in [0, 1]; `loss` in nats per image."""

    accuracy: float
    balanced_accuracy: float
    loss: float
    predictions: Tensor


def iterate_minibatches(
    images: ImageSet, batch_size: int, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Normalised inputs `[B, 3, S, S]` and labels `[B]` in a shuffled order, every image once.

    A last batch of a single image is left out: batch norm cannot be trained on it.
    """
    order = torch.randperm(len(images), generator=generator)
    for chosen in order.split(batch_size):
        if len(chosen) > 1 or len(images) == 1:
            chosen = chosen.to(images.labels.device)
            yield normalise(images.images[chosen]), images.labels[chosen]


def fit(
    network: nn.Module,
    train: ImageSet,
    *,
    config: TrainConfig,
    seed: int,
    state: FitState | None = None,
    on_epoch: Callable[[FitState], None] | None = None,
) -> None:
    """Fits `network` in place on `train` (training images only), and leaves it in eval mode.

    Every epoch draws from seeds of its own, so going on from the `state` that `on_epoch` was given
    repeats an unbroken run exactly (same host, build and number of threads). What `on_epoch` raises ends the fit.
    """
    device = next(network.parameters()).device
    train = train.to(device)
    network.to(memory_format=torch.channels_last)
    epochs = config.epochs_for(len(train))
    steps = max(1, math.ceil(len(train) / config.batch_size))
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    if state is not None:
        network.load_state_dict(state.network)
        optimizer.load_state_dict(state.optimizer)
    for epoch in range(state.epoch if state else 0, epochs):
        network.train()
        generator = torch.Generator().manual_seed(derive_seed(seed, "epoch", epoch))
        for step, (inputs, labels) in enumerate(iterate_minibatches(train, config.batch_size, generator)):
            rate = config.learning_rate * _one_cycle((epoch * steps + step) / (epochs * steps))
            for group in optimizer.param_groups:
                group["lr"] = rate
            inputs = _shift(inputs, config.shift_pixels, generator).contiguous(memory_format=torch.channels_last)
            loss = F.cross_entropy(network(inputs), labels, label_smoothing=config.label_smoothing)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        if on_epoch is not None:
            network.eval()
            on_epoch(FitState(epoch + 1, network.state_dict(), optimizer.state_dict()))
    network.eval()


def predict_logits(network: nn.Module, images: ImageSet, *, batch_size: int = 256) -> Tensor:
    """Logits `[N, classes]` in eval mode, on the network's device, without gradients."""
    device = next(network.parameters()).device
    was_training = network.training
    network.eval()
    with torch.no_grad():
        logits = [network(normalise(chunk.to(device))) for chunk in images.images.split(batch_size)]
    network.train(was_training)
    return torch.cat(logits)


def evaluate(network: nn.Module, images: ImageSet) -> Evaluation:
    """Accuracy, balanced accuracy and cross-entropy of a network on `images`."""
    return evaluate_logits(predict_logits(network, images).cpu(), images.labels.cpu())


def evaluate_logits(logits: Tensor, labels: Tensor) -> Evaluation:
    """The same from logits `[N, C]` and labels `[N]`.

    Balanced accuracy is the mean, over the classes that occur in `labels`, of the fraction of their images that
    are recognised (recall).
    """
    predictions = logits.argmax(dim=1)
    correct = (predictions == labels).double()
    classes = logits.shape[1]
    per_class = torch.bincount(labels, minlength=classes).double()
    hits = torch.bincount(labels, weights=correct, minlength=classes)
    occurs = per_class > 0
    return Evaluation(
        accuracy=float(correct.mean()),
        balanced_accuracy=float((hits[occurs] / per_class[occurs]).mean()),
        loss=float(F.cross_entropy(logits.double(), labels)),
        predictions=predictions,
    )


def _one_cycle(progress: float, warm_up: float = 0.3) -> float:
    """The factor on the peak learning rate at `progress` in [0, 1): a cosine up from 1/25, then down to nearly 0."""
    if progress < warm_up:
        start, end, position = 1 / 25, 1.0, progress / warm_up
    else:
        start, end, position = 1.0, 1e-4, (progress - warm_up) / (1 - warm_up)
    return end + (start - end) * (1 + math.cos(math.pi * position)) / 2


def _shift(inputs: Tensor, pixels: int, generator: torch.Generator) -> Tensor:
    """Each image `[N, C, S, S]` moved by up to `pixels` along both axes; what comes in from outside is its border."""
    if pixels == 0:
        return inputs
    count, _, height, width = inputs.shape
    padded = F.pad(inputs, (pixels,) * 4, mode="replicate")
    top, left = torch.randint(0, 2 * pixels + 1, (2, count), generator=generator).to(inputs.device)
    rows = top[:, None] + torch.arange(height, device=inputs.device)
    columns = left[:, None] + torch.arange(width, device=inputs.device)
    batch = torch.arange(count, device=inputs.device)
    return padded[batch[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
