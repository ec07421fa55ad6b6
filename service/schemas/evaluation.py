"""`GET /v1/recommendations/{id}/evaluation`: what the recommended network gets right and wrong."""

from pydantic import Field

from service.schemas.base import Response


class ClassRecall(Response):
    """How many of a class's test images are recognised."""

    name: str
    images: int
    recall: float | None = Field(description="null where the class has no test image")
    interval: tuple[float, float] | None = Field(description="95 % Wilson interval over images")


class WrongImage(Response):
    """A test image that is taken for one of another class."""

    position: int = Field(description="in the test split, from 0")
    true: str
    predicted: str
    probability: float | None = Field(description="of the predicted class")
    place: int | None = Field(description="in the picture `sheet`, row by row from 0; null where it is not shown there")


class ErrorSheet(Response):
    """A picture of the surest errors, side by side, which was taken when the network saw the test images."""

    path: str = Field(description="of the PNG")
    images: int = Field(description="shown on it")
    columns: int = Field(description="images in a row; each is a square")


class Evaluation(Response):
    """The one look of the recommended network at the test images."""

    recommendation_id: str
    classes: list[str]
    images: int
    confusion: list[list[int]] = Field(description="images; rows are true classes, columns predicted ones")
    recall: list[ClassRecall] = Field(description="of each class, in their order")
    wrong: int = Field(description="wrong images in all")
    errors: list[WrongImage] = Field(description="the first 1,000 of the wrong images, the surest first")
    sheet: ErrorSheet | None = Field(description="null where nothing is wrong, or no picture was kept")
