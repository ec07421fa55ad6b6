"""The images of each class in each split, of a dataset or of a task, and the counts that a job refuses."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ldnas.data.labels import LabelMapping, assign, class_names
from ldnas.errors import EmptySplitError, RefusedError, SingleClassError, TooFewImagesError

MIN_CLASS_IMAGES = 5

_SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class ClassCount:
    """How many images of a class each split has."""

    name: str
    train: int
    validation: int
    test: int

    @property
    def images(self) -> int:
        """The images in all splits."""
        return self.train + self.validation + self.test


def task_counts(mapping: LabelMapping | None, classes: Sequence[ClassCount]) -> tuple[ClassCount, ...]:
    """The classes of a task, in order, from all classes of its dataset, in order.

    Raises:
        UnknownLabelError, InvalidMappingError: see `class_names` and `assign`.
    """
    names = [count.name for count in classes]
    of_task = class_names(mapping, names)
    sums = {split: [0] * len(of_task) for split in _SPLITS}
    for index, task_class in assign(mapping, names).items():
        for split, of_split in sums.items():
            of_split[task_class] += getattr(classes[index], split)
    if mapping is not None and mapping.balance:
        for of_split in sums.values():
            *others, rest = of_split
            of_split[-1] = min(rest, balanced_rest(sum(others), len(others)))
    return tuple(ClassCount(name, *counts) for name, *counts in zip(of_task, *sums.values(), strict=True))


def balanced_rest(images: int, classes: int) -> int:
    """The images to which `balance` cuts the rest class: the mean size of the other classes, rounded, 1 or more."""
    return max(1, round(images / classes))


def require_trainable(classes: Sequence[ClassCount]) -> None:
    """Refuse a task that no network can be trained and tested on.

    Raises:
        SingleClassError, EmptySplitError, TooFewImagesError: see `refusals`.
    """
    for refusal in refusals(classes):
        raise refusal


def refusals(classes: Sequence[ClassCount]) -> Iterator[RefusedError]:
    """Every reason for which a job refuses a task with these classes, at most one for each class; none if it is fine.

    - SingleClassError: fewer than two classes.
    - EmptySplitError: a split without an image.
    - TooFewImagesError: a class has fewer than `MIN_CLASS_IMAGES` images in all, or none in one of the splits.
    """
    if len(classes) < 2:
        yield SingleClassError(
            f"the task has the single class {classes[0].name!r}; two or more are needed", field="labels"
        )
    empty = [split for split in _SPLITS if not any(getattr(count, split) for count in classes)]
    for split in empty:
        yield EmptySplitError(f"the task has no {split} image", field="labels")
    for count in classes:
        missing = next((split for split in _SPLITS if split not in empty and not getattr(count, split)), None)
        if count.images < MIN_CLASS_IMAGES:
            images = "1 image" if count.images == 1 else f"{count.images} images"
            remedy = " (a mapping can drop the class or join it with another)" if len(classes) > 1 else ""
            yield TooFewImagesError(
                f"class {count.name!r} has {images}; {MIN_CLASS_IMAGES} or more are needed{remedy}", field="labels"
            )
        elif missing is not None:
            yield TooFewImagesError(
                f"class {count.name!r} has no {missing} image; every split needs at least one of each class",
                field="labels",
            )
