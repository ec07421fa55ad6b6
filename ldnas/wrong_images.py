"""Which images a network gets wrong."""

from collections.abc import Sequence


def surest_errors(
    labels: Sequence[int], predictions: Sequence[int], probabilities: Sequence[float] | None = None
) -> list[int]:
    """The positions of the images that are taken for another class, the surest first; equally sure ones in order.

    Args:
        labels: the class of each image.
        predictions: the class that each was taken for.
        probabilities: of that class, in [0, 1]; None where they are not known.
    """
    sure = probabilities or [0.0] * len(labels)
    wrong = [position for position, label in enumerate(labels) if predictions[position] != label]
    return sorted(wrong, key=lambda position: -sure[position])
