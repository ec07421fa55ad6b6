"""The documents of uploaded datasets."""

from dataclasses import dataclass
from datetime import datetime

from service.client.documents.part import Part
from service.client.documents.task import SplitSizes


@dataclass(frozen=True, eq=False, repr=False)
class ClassCount(Part):
    """The number of images of a class in each split."""

    name: str
    train: int
    validation: int
    test: int


@dataclass(frozen=True, eq=False, repr=False)
class DatasetSummary(Part):
    """A dataset in a listing.

    Attributes:
        uri: the dataset's URI in requests.
        kind: images with labels, or (`safetensors`) the weights of a network.
        sha256: SHA-256 of the file.
        digest: digest of the decoded images, their labels and splits; None for weights.
        columns: the Parquet columns named in the upload.
        images: number of images; None for weights.
        left_out: number of images left out because an identical image belongs to a given split.
        tensors: number of tensors in the weights; None for images.
        parameters: number of values in all tensors; None for images.
        samples: path of sample images of each class; None for weights.
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
