"""The weights files that clients uploaded, as requests and designs refer to them."""

from pathlib import Path

import torch

from ldnas.errors import DatasetNotFoundError, InvalidSearchError
from ldnas.networks.design import Design, PretrainedDesign
from ldnas.networks.pretrained import WEIGHTS_FIELD, timm_network
from ldnas.race.field import PRETRAINED_SIZES
from ldnas.race.kinds import GivenWeights
from worker.errors import NotFoundError
from worker.jobs.context import JobContext
from worker.registry import SCHEME, DatasetRow
from worker.specification import RecommendationRequest


def uploaded_weights(context: JobContext, name: str, field: str) -> tuple[DatasetRow, Path]:
    """The upload of this name, which `field` of the request names, with its file.

    Raises:
        DatasetNotFoundError: no uploaded file has the name, or its content is missing.
    """
    try:
        with context.reading() as registry:
            row = registry.datasets.get(name)
    except NotFoundError as error:
        raise DatasetNotFoundError(f"no dataset has the name {name!r} any more", field=field, origin=name) from error
    return row, _stored(context, row.sha256, name, field)


def given_weights(context: JobContext, request: RecommendationRequest) -> GivenWeights | None:
    """The weights of the network that the request's `pretrained` names; None without it.

    Raises:
        DatasetNotFoundError: see `uploaded_weights`.
    """
    if request.pretrained is None:
        return None
    source = request.pretrained.weights
    row, file = uploaded_weights(context, source.removeprefix(SCHEME), WEIGHTS_FIELD)
    return GivenWeights(request.pretrained.architecture, row.sha256, file, source)


def require_fit(given: GivenWeights, image_size: int | None) -> None:
    """Refuses weights that do not fit their network, and a network that cannot take the images of a race.

    Args:
        image_size: the side that the request gives, in pixels; None for the sides that the race chooses from.

    Raises:
        InvalidSearchError, UnreadableDatasetError, UnfitWeightsError: see `timm_network`.
    """
    network = timm_network(given.architecture, classes=2, weights=given.file, name=given.source).eval()
    for side in PRETRAINED_SIZES if image_size is None else (image_size,):
        try:
            with torch.inference_mode():
                network(torch.zeros(1, 3, side, side))
        except RuntimeError as error:
            raise InvalidSearchError(
                f"{given.architecture} cannot take images of {side} pixels; a network that takes sides of "
                f"{PRETRAINED_SIZES[-1]} to {PRETRAINED_SIZES[0]} pixels is accepted",
                field="pretrained.architecture",
            ) from error


def first_weights_of(context: JobContext, design: Design) -> Path | None:
    """The file with the first weights of a design that names one; None for any other.

    Raises:
        DatasetNotFoundError: it was deleted.
    """
    if not isinstance(design, PretrainedDesign) or design.weights is None:
        return None
    return _stored(context, design.weights, f"the first weights of {design.name}", "architecture_id")


def _stored(context: JobContext, digest: str, name: str, field: str) -> Path:
    file = context.store.path(digest)
    if not file.is_file():
        raise DatasetNotFoundError(
            f"the file of {name} is no longer in the artifact store; delete it and upload it again",
            field=field,
            origin=name,
        )
    return file
