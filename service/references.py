"""What a request says about its data: checked without reading an image, and held until its task is stored."""

from collections.abc import Mapping
from typing import Any

from ldnas.data.labels import LabelMapping
from ldnas.data.reference import COLUMN_KEYS, DatasetReference, check_location
from ldnas.errors import DatasetNotFoundError, InvalidReferenceError, UnreadableDatasetError
from service.schemas.architectures import TrainingRequest
from service.schemas.recommendations import RecommendationRequest
from service.schemas.tasks import TaskRequest
from worker.references import check_remote
from worker.registry.models import Dataset
from worker.registry.registry import Registry
from worker.settings import Settings

# Of what is there, a refusal names so much.
NAMED_AT_MOST = 20


def checked_data(request: TaskRequest | RecommendationRequest | TrainingRequest, settings: Settings) -> dict[str, Any]:
    """The columns `dataset` and `labels` of a task, after all checks which cost no more than a few stat calls.

    Raises:
        InvalidReferenceError, ForbiddenLocationError, DatasetNotFoundError: see `check_location`.
        InvalidMappingError: see `LabelMapping`.
    """
    reference = DatasetReference.from_json(request.dataset.model_dump(exclude_none=True))
    check_location(reference, settings.dataset_roots)
    check_remote(reference, settings)
    labels = None if request.labels is None else LabelMapping.from_json(request.labels.model_dump()).to_json()
    return {"dataset": reference.to_json(), "labels": labels}


def hold_uploaded(registry: Registry, columns: Mapping[str, Any]) -> None:
    """Where a task names uploaded data: it is there, and cannot be deleted before the task that names it is stored.

    Raises:
        DatasetNotFoundError: no dataset has the name.
        UnreadableDatasetError: weights are named as images.
        InvalidReferenceError: columns are named of a file that has none.
    """
    reference = DatasetReference.from_json(columns["dataset"])
    if reference.scheme != "dataset":
        return
    row = _held(registry, reference.name, "dataset.uri")
    if row.digest is None:
        raise UnreadableDatasetError(
            f"{reference.uri} holds the weights of a network and no images", field="dataset.uri", origin=reference.uri
        )
    for key in COLUMN_KEYS:
        if row.kind != "parquet" and getattr(reference, key) is not None:
            raise InvalidReferenceError(
                f"{reference.uri} is a {row.kind} file and has no columns", field=f"dataset.{key}"
            )


def _held(registry: Registry, name: str, field: str) -> Dataset:
    row = registry.datasets.hold([name]).get(name)
    if row is None:
        there = registry.datasets.names(NAMED_AT_MOST + 1)
        known = ", ".join(there[:NAMED_AT_MOST]) or "none yet"
        known += ", …" if len(there) > NAMED_AT_MOST else ""
        raise DatasetNotFoundError(f"no dataset has the name {name!r}; uploaded are {known}", field=field)
    return row
