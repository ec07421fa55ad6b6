"""The response of `GET /v1/recommendations/{id}/evaluation`: the test evaluation of the recommended network."""

from pydantic import Field

from service.schemas.base import Document


class ClassRecall(Document):
    """The recall of a class on its test images."""

    name: str
    images: int
    recall: float | None = Field(description="null where the class has no test image")
    interval: tuple[float, float] | None = Field(description="95 % Wilson interval over images")


class WrongImage(Document):
    """A misclassified test image."""

    position: int = Field(description="index in the test split, from 0")
    true: str
    predicted: str
    probability: float | None = Field(description="probability of the predicted class")
    place: int | None = Field(description="index in the picture `sheet`, row by row from 0; null if not shown there")


class ErrorSheet(Document):
    """A picture of the most confident errors, side by side, made during the test evaluation."""

    path: str = Field(description="path of the PNG")
    images: int = Field(description="number of images in the picture")
    columns: int = Field(description="number of images per row; each is a square")


class Evaluation(Document):
    """The test evaluation of the recommended network."""

    recommendation_id: str
    classes: tuple[str, ...]
    images: int
    confusion: tuple[tuple[int, ...], ...] = Field(
        description="number of images; rows are true classes, columns are predicted classes"
    )
    recall: tuple[ClassRecall, ...] = Field(description="recall of each class, in the order of `classes`")
    wrong: int = Field(description="number of misclassified images")
    errors: tuple[WrongImage, ...] = Field(description="up to 1,000 of the misclassified images, most confident first")
    sheet: ErrorSheet | None = Field(description="null if the network made no error, or no picture is stored")
