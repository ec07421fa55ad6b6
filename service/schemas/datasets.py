"""The responses of `/v1/datasets`."""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from service.schemas.base import Document, Instant, Resource
from service.schemas.tasks import ClassCount, SplitSizes

Kind = Literal["zip", "tar", "npz", "parquet", "safetensors"]

_EXAMPLE: dict[str, Any] = {
    "id": "0f2b1c4d5e6f708192a3b4c5d6e7f809",
    "name": "screws",
    "uri": "dataset://screws",
    "kind": "zip",
    "bytes": 48213,
    "sha256": "5b0d1b6e0d6a9cb6ffb2f53a3a1f0b7d6c22a1e9e2f7f3b1d0c9e8f7a6b5c4d3",
    "digest": "a3f1c2d4e5b6978812345678901234567890abcdefabcdefabcdefabcdefabcd",
    "columns": {},
    "images": 36,
    "counts": {"train": 24, "validation": 6, "test": 6},
    "left_out": 0,
    "wide_values": None,
    "tensors": None,
    "parameters": None,
    "samples": "/v1/datasets/screws/samples",
    "created_at": "2026-11-25T12:00:00Z",
}
_DETAILS: dict[str, Any] = {
    "classes": [
        {"name": "bent", "train": 12, "validation": 3, "test": 3},
        {"name": "good", "train": 12, "validation": 3, "test": 3},
    ],
    "warnings": ["passed over: 2 files in bent, not images (notes.txt, …)"],
    "job_refusals": [],
}
_SAMPLES: Any = [
    {
        "name": "bent",
        "samples": [
            {"origin": "bent/01.png", "width": 640, "height": 480, "png": "data:image/png;base64,iVBORw0KGgo…"}
        ],
    }
]


class WideValues(Document):
    """The values of images with more than 8 bits, and what 8 bits leave of them."""

    value_range: tuple[float, float] = Field(description="the values that become black and white")
    lowest: float
    highest: float
    distinct: int = Field(description="number of different values, counted up to 1024")
    levels: int = Field(description="number of grey levels that they become, 1 to 256")
    darkest: int = Field(description="the first of these levels, 0 to 255")
    brightest: int
    warning: str | None = Field(description="where few grey levels are left")


class DatasetSummary(Resource):
    """A dataset in a listing."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    name: str
    uri: str = Field(description="the dataset's URI in requests")
    kind: Kind = Field(description="images with labels, or (`safetensors`) the weights of a network")
    bytes: int
    sha256: str = Field(description="SHA-256 of the file")
    digest: str | None = Field(description="digest of the decoded images, their labels and splits; null for weights")
    columns: dict[str, str] = Field(description="the Parquet columns named in the upload")
    images: int | None = Field(description="null for weights")
    counts: SplitSizes
    left_out: int | None = Field(
        description="number of images left out because an identical image belongs to a given split"
    )
    wide_values: WideValues | None = Field(
        None, description="values of the images with more than 8 bits; null where all images have 8 bits"
    )
    tensors: int | None = Field(description="number of tensors in the weights; null for images")
    parameters: int | None = Field(description="number of values in all tensors; null for images")
    samples: str | None = Field(description="path of sample images of each class; null for weights")
    created_at: Instant


class Dataset(DatasetSummary):
    """A dataset with its classes."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_EXAMPLE, **_DETAILS}]})

    classes: tuple[ClassCount, ...] | None = Field(description="in the order of their indices; null for weights")
    warnings: tuple[str, ...] = Field(
        description="sentences on files and columns that were left out or ignored, and on doubtful classes"
    )
    job_refusals: tuple[str, ...] = Field(
        description="every reason for which a job on all classes would be refused; a label mapping can drop or join "
        "classes"
    )


class Sample(Document):
    """A training image, scaled down if a side has more than 96 pixels."""

    origin: str = Field(description="the file or row that contains the image")
    width: int = Field(description="width of the original image, in pixels")
    height: int
    png: str = Field(description="the image as `data:image/png;base64,…`")


class ClassSamples(Document):
    """Some training images of a class."""

    name: str
    samples: tuple[Sample, ...]


class DatasetSamples(Document):
    """Some training images of each class, in the order of the classes; at most of the first 240 classes."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "screws", "classes": _SAMPLES}]})

    name: str
    classes: tuple[ClassSamples, ...]
