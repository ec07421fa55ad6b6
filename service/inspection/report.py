"""What was found in a file, in numbers and names; needs the standard library alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class ClassReport:
    """The readable images of a class, in all and in each split (None: no split could be drawn)."""

    name: str
    images: int
    train: int | None
    validation: int | None
    test: int | None


@dataclass(frozen=True)
class Copies:
    """Images whose pixels another one has too.

    Attributes:
        groups: of equal images, each of two or more.
        images: in all of those groups.
        across_splits: groups that lie in more than one of the splits that the dataset itself gives.
        across_classes: groups that are in more than one class.
        examples: the first groups, each as the origins of its images; those across classes or splits before others.
    """

    groups: int
    images: int
    across_splits: int
    across_classes: int
    examples: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class BrokenImage:
    """An image that cannot be read, and why."""

    origin: str
    detail: str


@dataclass(frozen=True)
class Report:
    """What was found.

    Attributes:
        kind: `zip`, `npz`, `parquet` or `safetensors`.
        images: that can be read.
        classes: in the order of their indices; empty for weights.
        smallest, median, largest: (width, height) in pixels of the images with those areas; None without images.
        grey: images of one channel; the others have colour.
        copies: None for weights.
        broken: every image that cannot be read; the service refuses a file with even one.
        left_out: images outside a given split that equal one of it, which tasks do without.
        tensors: of weights; None for images.
        parameters: numbers in all tensors; None for images.
        refusal: why the service would refuse it as a whole, or None.
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
    tensors: int | None = None
    parameters: int | None = None
    refusal: str | None = None

    @property
    def is_accepted(self) -> bool:
        """Whether the service would take the file."""
        return self.refusal is None and not self.broken

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """The report that another process wrote with `dataclasses.asdict`."""
        copies = document["copies"]
        known = {
            "classes": tuple(ClassReport(**entry) for entry in document["classes"]),
            "broken": tuple(BrokenImage(**entry) for entry in document["broken"]),
            "copies": copies
            and Copies(**copies | {"examples": tuple(tuple(origins) for origins in copies["examples"])}),
            **{
                size: document[size] and (document[size][0], document[size][1])
                for size in ("smallest", "median", "largest")
            },
        }
        return cls(**{**document, **known})
