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
        place: in the picture `sheet`, row by row from 0; None where it is not shown there.
    """

    position: int
    true: str
    predicted: str
    probability: float | None
    place: int | None


@dataclass(frozen=True, eq=False, repr=False)
class ErrorSheet(Part):
    """A picture of the surest errors, side by side, which was taken when the network saw the test images.

    Attributes:
        path: of the PNG.
        images: shown on it.
        columns: images in a row; each is a square.
    """

    path: str
    images: int
    columns: int


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation(Part):
    """The one look of the recommended network at the test images.

    Attributes:
        confusion: images; rows are true classes, columns predicted ones.
        recall: of each class, in their order.
        wrong: wrong images in all.
        errors: the first 1,000 of the wrong images, the surest first.
        sheet: None where nothing is wrong, or no picture was kept.
    """

    recommendation_id: str
    classes: tuple[str, ...]
    images: int
    confusion: tuple[tuple[int, ...], ...]
    recall: tuple[ClassRecall, ...]
    wrong: int
    errors: tuple[WrongImage, ...]
    sheet: ErrorSheet | None
