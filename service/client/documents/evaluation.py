"""The document of a test evaluation."""

from dataclasses import dataclass

from service.client.documents.part import Part


@dataclass(frozen=True, eq=False, repr=False)
class ClassRecall(Part):
    """The recall of a class on its test images.

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
    """A misclassified test image.

    Attributes:
        position: index in the test split, from 0.
        probability: probability of the predicted class.
        place: index in the picture `sheet`, row by row from 0; None if not shown there.
    """

    position: int
    true: str
    predicted: str
    probability: float | None
    place: int | None


@dataclass(frozen=True, eq=False, repr=False)
class ErrorSheet(Part):
    """A picture of the most confident errors, side by side, made during the test evaluation.

    Attributes:
        path: path of the PNG.
        images: number of images in the picture.
        columns: number of images per row; each is a square.
    """

    path: str
    images: int
    columns: int


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation(Part):
    """The test evaluation of the recommended network.

    Attributes:
        confusion: number of images; rows are true classes, columns are predicted classes.
        recall: recall of each class, in the order of `classes`.
        wrong: number of misclassified images.
        errors: up to 1,000 of the misclassified images, most confident first.
        sheet: None if the network made no error, or no picture is stored.
    """

    recommendation_id: str
    classes: tuple[str, ...]
    images: int
    confusion: tuple[tuple[int, ...], ...]
    recall: tuple[ClassRecall, ...]
    wrong: int
    errors: tuple[WrongImage, ...]
    sheet: ErrorSheet | None
