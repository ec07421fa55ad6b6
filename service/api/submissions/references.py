"""Checks the data that a request refers to, without reading an image, and locks it until the task is stored."""

from dataclasses import dataclass
from typing import Any

from ldnas.data.labels import LabelMapping
from ldnas.data.reference import COLUMN_KEYS, DatasetReference, check_location, is_uploaded_name
from ldnas.data.shown_uri import shown_uri
from ldnas.errors import DatasetNotFoundError, InvalidReferenceError, UnreadableDatasetError
from ldnas.networks.names import require_architecture
from service.schemas.architectures import TrainingRequest
from service.schemas.tasks import TaskRequest
from worker.outbound.references import check_remote, is_remote, remote_weights
from worker.registry import SCHEME, DatasetRow, Registry
from worker.settings import Settings
from worker.specification import REPETITIONS, OwnNetwork, RecommendationRequest

# Names of datasets that an error message lists at most.
NAMED_AT_MOST = 20

NETWORK_WEIGHTS = "network.weights"
PRETRAINED_WEIGHTS = "pretrained.weights"


@dataclass(frozen=True)
class CheckedTask:
    """A task that a request describes, after all checks that cost only a few stat calls.

    Attributes:
        reference: the images.
        columns: of the task's row, which has the reference as JSON.
    """

    reference: DatasetReference
    columns: dict[str, Any]


def checked_data(request: TaskRequest | RecommendationRequest | TrainingRequest, settings: Settings) -> CheckedTask:
    """The task with the columns `dataset` and `labels` alone.

    Raises:
        InvalidReferenceError, ForbiddenLocationError, DatasetNotFoundError: see `check_location`.
        InvalidMappingError: see `LabelMapping`.
    """
    reference = DatasetReference.from_json(request.dataset.model_dump(exclude_none=True))
    check_location(reference, settings.dataset_roots)
    check_remote(reference, settings)
    labels = None if request.labels is None else LabelMapping.from_json(request.labels.model_dump()).to_json()
    return CheckedTask(reference, {"dataset": reference.to_json(), "labels": labels})


def checked_network(request: TaskRequest | RecommendationRequest) -> dict[str, Any]:
    """The columns `architecture`, `weights` and `repetitions` of a task.

    Raises:
        UnknownNetworkError: no task network has that name.
        InvalidReferenceError: the weights are not a `dataset://NAME`.
    """
    network = request.network
    if not isinstance(network, OwnNetwork):
        architecture = None if network is None else require_architecture(network)
        return {"architecture": architecture, "weights": None, "repetitions": request.repetitions or REPETITIONS}
    name = uploaded_weights(network.weights, NETWORK_WEIGHTS)
    architecture = require_architecture(network.architecture, field="network.architecture")
    return {"architecture": architecture, "weights": name, "repetitions": 1}


def uploaded_weights(uri: str, field: str, *, others: str = "") -> str:
    """The name of the uploaded file that a `dataset://NAME` refers to.

    `others` are the other references that the field accepts, in words.

    Raises:
        InvalidReferenceError: it is not such a URI.
    """
    name = uri.removeprefix(SCHEME)
    if not uri.startswith(SCHEME) or not is_uploaded_name(name):
        raise InvalidReferenceError(
            f"{shown_uri(uri)!r} does not refer to weights; expected dataset://NAME of an uploaded "
            f".safetensors file{others}",
            field=field,
        )
    return name


def check_pretrained_weights(uri: str, settings: Settings) -> None:
    """Refuse a reference to first weights that certainly cannot be read; nothing is resolved or fetched.

    Raises:
        InvalidReferenceError: it is neither a `dataset://NAME` nor a file of another host.
        ForbiddenLocationError: the host is not one of `LDNAS_REMOTE_HOSTS`, or the URL has a user or a password in it.
    """
    if is_remote(uri):
        remote_weights(uri, settings, field=PRETRAINED_WEIGHTS)
    else:
        uploaded_weights(uri, PRETRAINED_WEIGHTS, others=", or https://… on a host of LDNAS_REMOTE_HOSTS")


def hold_uploaded(registry: Registry, task: CheckedTask) -> None:
    """Locks the uploaded files that a task names: they exist, and cannot be deleted before the task is stored.

    Raises:
        DatasetNotFoundError: no dataset has the name.
        UnreadableDatasetError: the request uses weights as images, or images as weights.
        InvalidReferenceError: the request names columns of a file without columns.
    """
    weights = task.columns.get("weights")
    if weights is not None:
        hold_weights(registry, weights, NETWORK_WEIGHTS)
    if task.reference.scheme == "dataset":
        _hold_images(registry, task.reference)


def hold_weights(registry: Registry, name: str, field: str) -> None:
    """Locks the uploaded weights file of this name until the transaction ends.

    Raises:
        DatasetNotFoundError: no dataset has the name.
        UnreadableDatasetError: it holds images.
    """
    row = _held(registry, name, field)
    if row.kind != "safetensors":
        raise UnreadableDatasetError(
            f"{SCHEME}{name} is a {row.kind} file with images; weights are a .safetensors file",
            field=field,
            origin=f"{SCHEME}{name}",
        )


def _hold_images(registry: Registry, reference: DatasetReference) -> None:
    row = _held(registry, reference.name, "dataset.uri")
    if row.digest is None:
        raise UnreadableDatasetError(
            f"{reference.uri} contains the weights of a network, not images", field="dataset.uri", origin=reference.uri
        )
    for key in COLUMN_KEYS:
        if row.kind != "parquet" and getattr(reference, key) is not None:
            raise InvalidReferenceError(
                f"{reference.uri} is a {row.kind} file and has no columns", field=f"dataset.{key}"
            )


def _held(registry: Registry, name: str, field: str) -> DatasetRow:
    row = registry.datasets.hold([name]).get(name)
    if row is None:
        there = registry.datasets.names(NAMED_AT_MOST + 1)
        known = ", ".join(there[:NAMED_AT_MOST]) or "none yet"
        known += ", …" if len(there) > NAMED_AT_MOST else ""
        raise DatasetNotFoundError(f"no dataset has the name {name!r}; uploaded datasets: {known}", field=field)
    return row
