"""The one look of a recommended network at the test images."""

from dataclasses import dataclass

from service.client.documents.part import Part


@dataclass(frozen=True, eq=False, repr=False)
class ClassRecall(Part):
    """How many of a class's test images are recognised.

    Attributes:
        recall: None where the class has no test image.
        interval: 95 % Wilson interval over images.
    """

    name: str
    images: int
    recall: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True, eq=False, repr=False)
class WrongImage(Part):
    """A test image that is taken for one of another class.

    Attributes:
        position: in the test split, from 0.
        probability: of the predicted class.
    """

    position: int
    true: str
    predicted: str
    probability: float | None


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation(Part):
    """The one look of the recommended network at the test images.

    Attributes:
        confusion: images; rows are true classes, columns predicted ones.
        recall: of each class, in their order.
        wrong: wrong images in all.
        errors: the first 1,000 of the wrong images, the surest first.
    """

    recommendation_id: str
    classes: tuple[str, ...]
    images: int
    confusion: tuple[tuple[int, ...], ...]
    recall: tuple[ClassRecall, ...]
    wrong: int
    errors: tuple[WrongImage, ...]
