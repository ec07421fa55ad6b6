"""The report on a file; needs only the standard library."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class ClassReport:
    """The readable images of a class, in total and in each split (None: the split failed)."""

    name: str
    images: int
    train: int | None
    validation: int | None
    test: int | None


@dataclass(frozen=True)
class Copies:
    """Images with identical pixels.

    Attributes:
        groups: number of groups of two or more identical images.
        images: number of images in all groups.
        across_splits: number of groups that are in more than one of the splits that the dataset itself defines.
        across_classes: number of groups that are in more than one class.
        examples: the first groups, each as the origins of its images; groups across classes or splits come first.
    """

    groups: int
    images: int
    across_splits: int
    across_classes: int
    examples: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class BrokenImage:
    """An unreadable image, and the reason."""

    origin: str
    detail: str


@dataclass(frozen=True)
class Report:
    """The report on a file.

    Attributes:
        kind: `zip`, `tar`, `npz`, `parquet` or `safetensors`.
        images: number of readable images.
        classes: in the order of their indices; empty for weights.
        smallest, median, largest: (width, height) in pixels of the images with those areas; None without images.
        grey: number of images with one channel; the others have colour.
        copies: None for weights.
        broken: every unreadable image; the service refuses a file with any.
        left_out: number of images that tasks leave out because an identical image belongs to a given split.
        wide_values: the values of the images with more than 8 bits, as in the service's document of a dataset; None
            where all images have 8 bits.
        tensors: number of tensors in the weights; None for images.
        parameters: number of values in all tensors; None for images.
        warnings: sentences on files and columns that were left out or ignored, and on doubtful classes.
        refusal: why the service would refuse the file as a whole, or None.
        job_refusals: every reason for which a job on all classes would be refused; the service accepts the file.
    """

    kind: str | None
    images: int = 0
    classes: tuple[ClassReport, ...] = ()
    smallest: tuple[int, int] | None = None
    median: tuple[int, int] | None = None
    largest: tuple[int, int] | None = None
    grey: int = 0
    copies: Copies | None = None
    broken: tuple[BrokenImage, ...] = ()
    left_out: int = 0
    wide_values: Mapping[str, Any] | None = None
    tensors: int | None = None
    parameters: int | None = None
    warnings: tuple[str, ...] = ()
    refusal: str | None = None
    job_refusals: tuple[str, ...] = ()

    @property
    def is_accepted(self) -> bool:
        """Whether the service would accept the file."""
        return self.refusal is None and not self.broken

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """The report that another process wrote with `dataclasses.asdict`."""
        copies = document["copies"]
        known = {
            "classes": tuple(ClassReport(**entry) for entry in document["classes"]),
            "job_refusals": tuple(document["job_refusals"]),
            "broken": tuple(BrokenImage(**entry) for entry in document["broken"]),
            "warnings": tuple(document["warnings"]),
            "copies": copies
            and Copies(**copies | {"examples": tuple(tuple(origins) for origins in copies["examples"])}),
            **{
                size: document[size] and (document[size][0], document[size][1])
                for size in ("smallest", "median", "largest")
            },
        }
        return cls(**{**document, **known})
