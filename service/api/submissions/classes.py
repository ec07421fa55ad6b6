"""The classes of a task before a worker reads its images, where the dataset is known; refuses labels that it lacks."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ldnas.data.class_counts import ClassCount, require_trainable, task_counts
from ldnas.data.labels import LabelMapping
from ldnas.data.reference import COLUMN_KEYS, DatasetReference
from service.api.submissions.references import CheckedTask
from worker.registry import Registry

DIGITS_CLASSES = (
    ClassCount("0", 124, 27, 27),
    ClassCount("1", 126, 28, 28),
    ClassCount("2", 123, 27, 27),
    ClassCount("3", 127, 28, 28),
    ClassCount("4", 126, 28, 27),
    ClassCount("5", 126, 28, 28),
    ClassCount("6", 126, 28, 27),
    ClassCount("7", 125, 27, 27),
    ClassCount("8", 122, 26, 26),
    ClassCount("9", 126, 27, 27),
)
"""The classes of `builtin://digits`: 1,797 scans in the split that every dataset without one gets."""


def known_counts(registry: Registry, task: CheckedTask) -> list[dict[str, Any]] | None:
    """The column `class_counts` of a new task: the images of each class; None where only a worker can find them.

    Raises:
        UnknownLabelError, InvalidMappingError: the labels do not belong to the dataset.
        SingleClassError, EmptySplitError, TooFewImagesError: the job would refuse these classes.
    """
    classes = _classes_of(registry, task.reference)
    if classes is None:
        return None
    labels = task.columns["labels"]
    counts = task_counts(None if labels is None else LabelMapping.from_json(labels), classes)
    if task.reference.fractions is not None:  # the task draws a split of its own
        return None
    require_trainable(counts)
    return [asdict(count) for count in counts]


def target_of(counts: Sequence[Mapping[str, Any]] | None) -> dict[str, Any]:
    """The fields of a recommendation's `target` that these counts determine."""
    if counts is None:
        return {}
    sizes = {split: sum(count[split] for count in counts) for split in ("train", "validation", "test")}
    return {"classes": [count["name"] for count in counts], "class_counts": [*counts], **sizes}


def _classes_of(registry: Registry, reference: DatasetReference) -> Sequence[ClassCount] | None:
    """The dataset's own classes: built in, or those of an uploaded file that is read as it was at the upload."""
    if reference.scheme == "builtin":
        return DIGITS_CLASSES
    if reference.scheme != "dataset":
        return None
    row = registry.datasets.get(reference.name)
    stated = {key: value for key, value in reference.to_json().items() if key in (*COLUMN_KEYS, "value_range")}
    if row.classes is None or not stated.items() <= row.reference.items():
        return None
    return [ClassCount(**count) for count in row.classes]
