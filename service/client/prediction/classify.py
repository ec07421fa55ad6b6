"""Classifies image files in batches."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ldnas.data.dataset import Image
from service.client.prediction.classifier import Classifier
from service.client.prediction.images import BrokenFile, read_image

BATCH_IMAGES = 32


@dataclass(frozen=True)
class Prediction:
    """The prediction for one image: classes with their probabilities in [0, 1], the most probable first."""

    path: Path
    classes: tuple[tuple[str, float], ...]


def classify(classifier: Classifier, paths: Iterable[Path], *, top: int) -> Iterator[Prediction | BrokenFile]:
    """Yields the prediction for each image, or why it cannot be read, in the order of the paths.

    Args:
        top: maximum number of classes for each image.

    Raises:
        UnusableNetworkError: see `Classifier.probabilities`.
    """
    remaining = iter(paths)
    while batch := list(islice(remaining, BATCH_IMAGES)):
        # Each image is scaled down as soon as it is read: a decoded batch of photographs takes gigabytes.
        read = [_prepared(classifier, path) for path in batch]
        images = [image for image in read if not isinstance(image, BrokenFile)]
        rows = iter(classifier.probabilities(images).tolist() if images else [])
        for path, image in zip(batch, read, strict=True):
            if isinstance(image, BrokenFile):
                yield image
            else:
                yield Prediction(path, _largest(classifier.class_names, next(rows), top))


def _prepared(classifier: Classifier, path: Path) -> Image | BrokenFile:
    image = read_image(path, classifier.preprocessing.value_range)
    return image if isinstance(image, BrokenFile) else classifier.prepared(image)


def _largest(names: Sequence[str], probabilities: Sequence[float], top: int) -> tuple[tuple[str, float], ...]:
    pairs = sorted(zip(names, probabilities, strict=True), key=lambda pair: -pair[1])
    return tuple(pairs[:top])
