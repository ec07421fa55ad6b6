"""Provides the files that a job reads: a local path, an uploaded file, or a download from another host."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ldnas.data.reference import COLUMN_KEYS, DatasetReference
from ldnas.data.value_range import ValueRange
from ldnas.errors import DatasetNotFoundError
from worker.errors import NotFoundError
from worker.jobs.context import JobContext
from worker.outbound.downloads import download
from worker.outbound.guard import OutboundGuard
from worker.outbound.references import REMOTE_SCHEMES, remote_url
from worker.outbound.s3 import signed_headers
from worker.settings import Settings
from worker.storage.incoming import IncomingFile

log = logging.getLogger(__name__)

PAUSES_SECONDS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Between the tries of one download: a host that is away for a minute costs a job none of its attempts."""


@dataclass(frozen=True)
class Source:
    """How to read a dataset: `file` is the local copy, or None if the reference is itself a local path."""

    reference: DatasetReference
    file: Path | None = None


@contextmanager
def source_of(context: JobContext, reference: DatasetReference) -> Iterator[Source]:
    """The source of a reference; a download from another host is removed at the end of the block.

    Raises:
        DatasetNotFoundError: no dataset has the name, its file is missing, or its host does not have it.
        ForbiddenLocationError, UnreadableDatasetError, OSError: see `download`.
    """
    if reference.scheme == "dataset":
        yield _uploaded(context, reference)
    elif reference.scheme in REMOTE_SCHEMES:
        with fetched(context, reference, lambda: IncomingFile(context.settings.downloads)) as incoming:
            yield Source(reference, incoming.path)
    else:
        yield Source(reference)


def outbound_guard(settings: Settings) -> OutboundGuard:
    """The hosts that files may be fetched from."""
    return OutboundGuard(settings.remote_hosts)


@contextmanager
def fetched(
    context: JobContext,
    reference: DatasetReference,
    receive: Callable[[], IncomingFile],
    *,
    field: str = "dataset.uri",
) -> Iterator[IncomingFile]:
    """The file of a reference to another host, downloaded from its beginning again after each interruption.

    Args:
        receive: opens the file that the bytes are written to, for each try.
        field: of the request, that names the reference.

    Raises:
        DatasetNotFoundError, ForbiddenLocationError, UnreadableDatasetError: see `download`.
        OSError: our own disk failed, or the host did after every pause.
    """
    with _received(context, reference, receive, field) as incoming:
        yield incoming


def _received(
    context: JobContext, reference: DatasetReference, receive: Callable[[], IncomingFile], field: str
) -> IncomingFile:
    for pause in (*PAUSES_SECONDS, None):
        incoming = receive()
        try:
            _fetch(context, reference, incoming, field)
        except BaseException as error:
            incoming.close()
            # A number: our own disk failed, not the host.
            if pause is None or not isinstance(error, OSError) or error.errno is not None:
                raise
            log.warning("job %s: %s; the next try in %g s", context.job_id, error, pause)
        else:
            return incoming
        time.sleep(pause)
        _report(context)
    raise AssertionError("the last try returns or raises")


def _report(context: JobContext) -> None:
    """Touch the job, which counts as progress for the stall check, and ends an attempt that has lost its job."""
    with context.unit_of_work():
        pass


def _fetch(context: JobContext, reference: DatasetReference, incoming: IncomingFile, field: str) -> None:
    settings = context.settings
    url = remote_url(reference, settings)
    guard = outbound_guard(settings)
    if reference.scheme == "s3":
        guard = replace(guard, private_origin=settings.s3.endpoint)
    download(
        guard,
        url,
        incoming,
        uri=reference.shown,
        field=field,
        headers=signed_headers(settings.s3, url) if reference.scheme == "s3" else {},
        limit_bytes=settings.max_upload_bytes,
        on_progress=lambda: _report(context),
    )
    incoming.flush()


def _uploaded(context: JobContext, reference: DatasetReference) -> Source:
    try:
        with context.reading() as registry:
            row = registry.datasets.get(reference.name)
    except NotFoundError as error:
        raise DatasetNotFoundError(
            f"no dataset has the name {reference.name!r} any more", field="dataset.uri", origin=reference.uri
        ) from error
    try:
        file = context.store.local_file(row.sha256)
    except FileNotFoundError as error:
        raise DatasetNotFoundError(
            f"the file of {reference.uri} is no longer in the artifact store; delete the dataset and upload it again",
            field="dataset.uri",
            origin=reference.uri,
        ) from error
    # The columns and the range of the task take precedence over those of the upload.
    columns: dict[str, Any] = {key: getattr(reference, key) or row.reference.get(key) for key in COLUMN_KEYS}
    value_range, stated = reference.value_range, row.reference.get("value_range")
    if value_range is None and stated is not None:
        value_range = ValueRange.from_json(stated)
    return Source(replace(reference, format=row.kind, value_range=value_range, **columns), file)
