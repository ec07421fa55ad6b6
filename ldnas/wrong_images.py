"""Lists the images that a network classifies wrongly."""

from collections.abc import Sequence


def most_confident_errors(
    labels: Sequence[int], predictions: Sequence[int], probabilities: Sequence[float] | None = None
) -> list[int]:
    """The positions of the misclassified images, the most confident error first; equally confident ones in order.

    Args:
        labels: the class of each image.
        predictions: the predicted class of each image.
        probabilities: of that class, in [0, 1]; None if unknown.
    """
    sure = probabilities or [0.0] * len(labels)
    wrong = [position for position, label in enumerate(labels) if predictions[position] != label]
    return sorted(wrong, key=lambda position: -sure[position])
