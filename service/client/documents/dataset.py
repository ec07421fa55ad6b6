"""The files that were uploaded."""

from dataclasses import dataclass
from datetime import datetime

from service.client.documents.part import Part
from service.client.documents.task import SplitSizes


@dataclass(frozen=True, eq=False, repr=False)
class ClassCount(Part):
    """How many images of a class each split has."""

    name: str
    train: int
    validation: int
    test: int


@dataclass(frozen=True, eq=False, repr=False)
class DatasetSummary(Part):
    """A dataset as the listing shows it.

    Attributes:
        uri: what a task names it by.
        kind: images with labels, or (`safetensors`) the weights of a network.
        sha256: of the file.
        digest: of the images as they are decoded, their labels and split; None for weights.
        columns: the Parquet columns that were named with the upload.
        images: None for weights.
        left_out: images outside a given split that equal one of it.
        tensors: of weights; None for images.
        parameters: numbers in all tensors; None for images.
        samples: path of some images of each class; None for weights.
    """

    id: str
    name: str
    uri: str
    kind: str
    bytes: int
    sha256: str
    digest: str | None
    columns: dict[str, str]
    images: int | None
    counts: SplitSizes
    left_out: int | None
    tensors: int | None
    parameters: int | None
    samples: str | None
    created_at: datetime


@dataclass(frozen=True, eq=False, repr=False)
class Dataset(DatasetSummary):
    """A dataset with its classes.

    Attributes:
        classes: in the order of their indices; None for weights.
    """

    classes: tuple[ClassCount, ...] | None
