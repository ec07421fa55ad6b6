"""The weights files that clients uploaded or that other hosts have, as requests and designs refer to them."""

from pathlib import Path

import torch
from torch import nn

from ldnas.data.reference import DatasetReference
from ldnas.data.shown_uri import shown_uri
from ldnas.errors import DatasetNotFoundError, InvalidSearchError, ReferenceChangedError, UnreadableDatasetError
from ldnas.networks.backbone import ARCHITECTURE_FIELD
from ldnas.networks.design import Design, PretrainedDesign
from ldnas.networks.designed import build_designed
from ldnas.networks.pretrained import WEIGHTS_FIELD, named_network
from ldnas.networks.weights_file import read_weights_header
from ldnas.race.field import PRETRAINED_SIZES
from ldnas.race.kinds import GivenWeights
from worker.errors import NotFoundError
from worker.jobs.context import JobContext
from worker.jobs.memo import Codec
from worker.jobs.stages.sources import fetched
from worker.outbound.references import is_remote, remote_weights
from worker.registry import SCHEME, DatasetRow
from worker.specification import RecommendationRequest

DIGEST: Codec[str] = Codec(str, str)


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
        RefusedError, OSError: see `fetched_weights`.
    """
    if request.pretrained is None:
        return None
    source = request.pretrained.weights
    if is_remote(source):
        digest, file = fetched_weights(context, source)
    else:
        row, file = uploaded_weights(context, source.removeprefix(SCHEME), WEIGHTS_FIELD)
        digest = row.sha256
    return GivenWeights(request.pretrained.architecture, digest, file, shown_uri(source))


def fetched_weights(context: JobContext, uri: str) -> tuple[str, Path]:
    """The digest of a weights file on another host, and its copy in the artifact store.

    A job fetches it once. The cleaner keeps the copy until the job ends, and then for as long as an architecture's
    design states its digest; a job that is tried again after that fetches the file again.

    Raises:
        ReferenceChangedError: the file is another one than at the job's first attempt.
        UnreadableDatasetError: it is too large, or not a safetensors file.
        InvalidReferenceError: see `remote_weights`.
        DatasetNotFoundError, ForbiddenLocationError, OSError: see `fetched`.
    """
    reference = remote_weights(uri, context.settings, field=WEIGHTS_FIELD)
    digest = context.once("pretrained.weights", lambda: _fetched(context, reference), DIGEST)
    if not context.store.exists(digest) and (found := _fetched(context, reference)) != digest:
        raise ReferenceChangedError(
            f"the file behind {reference.shown} is not the one that this job began with (SHA-256 {found[:12]}…, was "
            f"{digest[:12]}…); request a new recommendation for the new file",
            field=WEIGHTS_FIELD,
            origin=reference.shown,
        )
    return digest, context.store.local_file(digest)


def _fetched(context: JobContext, reference: DatasetReference) -> str:
    """Download the file to the artifact store; return its digest."""
    with fetched(context, reference, context.store.receive, field=WEIGHTS_FIELD) as incoming:
        try:
            read_weights_header(incoming.path, reference.shown)
        except UnreadableDatasetError as error:
            raise UnreadableDatasetError(error.message, field=WEIGHTS_FIELD, origin=error.origin) from error
        digest = context.store.put_incoming(incoming)
    with context.unit_of_work() as registry:
        registry.results.store_artifact(digest, incoming.size, "application/octet-stream")
    return digest


def require_fit(given: GivenWeights, image_size: int | None) -> None:
    """Refuses weights that do not fit their network, and a network that cannot take the images of a race.

    Args:
        image_size: the side that the request gives, in pixels; None for the sides that the race chooses from.

    Raises:
        InvalidSearchError, UnreadableDatasetError, UnfitWeightsError: see `named_network`.
    """
    network = named_network(given.architecture, classes=2, weights=given.file, name=given.source).eval()
    for side in PRETRAINED_SIZES if image_size is None else (image_size,):
        if (error := _failure_at(network, side)) is not None:
            raise InvalidSearchError(
                f"{given.architecture} cannot take images of {side} pixels; a network that takes sides of "
                f"{PRETRAINED_SIZES[-1]} to {PRETRAINED_SIZES[0]} pixels is accepted",
                field=ARCHITECTURE_FIELD,
            ) from error


def require_size(design: Design) -> None:
    """Refuses the design of a network that cannot take images of its size; only a pretrained one may be such a network.

    Raises:
        InvalidSearchError: see above.
    """
    if not isinstance(design, PretrainedDesign):
        return
    network = build_designed(design, seed=0, imagenet_weights=False).eval()
    if (error := _failure_at(network, design.image_size)) is not None:
        raise InvalidSearchError(
            f"{design.name} cannot take images of {design.image_size} pixels; it was found for another size, and a "
            "larger image_size is accepted",
            field="image_size",
        ) from error


def _failure_at(network: nn.Module, side: int) -> Exception | None:
    """The error of a network for an image of this side, in pixels."""
    try:
        with torch.inference_mode():
            network(torch.zeros(1, 3, side, side))
    except (RuntimeError, AssertionError) as error:
        return error
    return None


def first_weights_of(context: JobContext, design: Design) -> Path | None:
    """The file with the first weights of a design that names one; None for any other.

    Raises:
        DatasetNotFoundError: the artifact store no longer has it.
    """
    if not isinstance(design, PretrainedDesign) or design.weights is None:
        return None
    return _stored(context, design.weights, f"the first weights of {design.name}", "architecture_id")


def _stored(context: JobContext, digest: str, name: str, field: str) -> Path:
    try:
        return context.store.local_file(digest)
    except FileNotFoundError as error:
        raise DatasetNotFoundError(
            f"the file of {name} is no longer in the artifact store; delete it and upload it again",
            field=field,
            origin=name,
        ) from error
