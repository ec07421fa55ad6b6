"""Evaluates a classifier on a set of images."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ldnas.data.preprocessing import normalise
from ldnas.data.task_data import ImageSet
from ldnas.training.micro_batches import MicroBatches

_PIXELS_AT_A_TIME = 2**18
"""Of the images of a batch on a processor: the maps of more do not stay in its caches."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The scores of a network on a set of images. Fractions in [0, 1]; `loss` in nats per image.

    Attributes:
        accuracy: the fraction of the images that are classified correctly.
        balanced_accuracy: the mean of `recall` over the classes that occur.
        macro_f1: the mean over the same classes of F1 = 2·hits / (images of the class + predictions of it).
        loss: mean cross-entropy.
        recall: for each class the fraction of its images that are classified correctly, None for a class without
            images.
        predictions: the most probable class of each image, int64 [N].
        probabilities: the softmax probability of that class, float64 [N].
    """

    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    loss: float
    recall: tuple[float | None, ...]
    predictions: Tensor
    probabilities: Tensor


def predict_logits(
    network: nn.Module, images: ImageSet, *, batch_size: int = 256, micro_batches: MicroBatches | None = None
) -> Tensor:
    """Logits `[N, classes]` in eval mode, on the network's device, without gradients.

    Raises:
        OutOfMemoryError: memory does not suffice for one image.
    """
    device = next(network.parameters()).device
    was_training = network.training
    network.eval()

    @torch.no_grad()
    def attempt(size: int) -> Tensor:
        return torch.cat([network(normalise(chunk.to(device))) for chunk in images.images.split(size)])

    size = images.images.shape[-1]
    if device.type == "cpu":
        batch_size = min(batch_size, max(1, _PIXELS_AT_A_TIME // size**2))
    most = max(1, min(batch_size, len(images)))
    logits = (micro_batches or MicroBatches()).run(most, attempt, network=network, image_size=size)
    network.train(was_training)
    return logits


def evaluate(network: nn.Module, images: ImageSet, *, micro_batches: MicroBatches | None = None) -> Evaluation:
    """Evaluate a network on `images`; see `predict_logits`."""
    logits = predict_logits(network, images, micro_batches=micro_batches)
    return evaluate_logits(logits.cpu(), images.labels.cpu())


def evaluate_logits(logits: Tensor, labels: Tensor) -> Evaluation:
    """Compute the same scores from logits `[N, C]` and labels `[N]`."""
    probabilities, predictions = logits.double().softmax(dim=1).max(dim=1)
    scores = scores_of(confusion_matrix(labels, predictions, classes=logits.shape[1]))
    return Evaluation(
        **vars(scores),
        loss=float(F.cross_entropy(logits.double(), labels)),
        predictions=predictions,
        probabilities=probabilities,
    )


@dataclass(frozen=True)
class ConfusionScores:
    """The scores that follow from a confusion matrix; see `Evaluation`."""

    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    recall: tuple[float | None, ...]


def confusion_matrix(labels: Tensor, predictions: Tensor, *, classes: int) -> Tensor:
    """Images by their class (row) and the class predicted (column), int64 [classes, classes]."""
    return torch.bincount(labels * classes + predictions, minlength=classes * classes).view(classes, classes)


def scores_of(confusion: Tensor) -> ConfusionScores:
    """The scores of a confusion matrix [C, C] that counts one image or more."""
    counts = confusion.double()
    images, predicted, hits = counts.sum(dim=1), counts.sum(dim=0), counts.diagonal()
    occurs = images > 0
    recall = hits[occurs] / images[occurs]
    f1 = 2 * hits[occurs] / (images[occurs] + predicted[occurs])
    recall_of = dict(zip(occurs.nonzero().flatten().tolist(), recall.tolist(), strict=True))
    return ConfusionScores(
        accuracy=float(hits.sum() / images.sum()),
        balanced_accuracy=float(recall.mean()),
        macro_f1=float(f1.mean()),
        recall=tuple(recall_of.get(index) for index in range(len(counts))),
    )
