"""Where a job reads a dataset from: a place that it reaches by itself, an uploaded file, or a file of another host."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ldnas.data.reference import COLUMN_KEYS, DatasetReference
from ldnas.errors import DatasetNotFoundError
from worker.downloads import download
from worker.incoming import IncomingFile
from worker.outbound import OutboundGuard
from worker.references import REMOTE_SCHEMES, remote_url
from worker.registry.errors import NotFoundError
from worker.settings import Settings
from worker.stages.context import JobContext


@dataclass(frozen=True)
class Source:
    """How to read a dataset: `file` is what the reference stands for, or None where it says so itself."""

    reference: DatasetReference
    file: Path | None = None


@contextmanager
def source_of(context: JobContext, reference: DatasetReference) -> Iterator[Source]:
    """The source that a reference stands for; what was fetched from another host is gone at the end of the block.

    Raises:
        DatasetNotFoundError: no dataset has the name, its file is gone, or its host does not give it.
        ForbiddenLocationError, UnreadableDatasetError, OSError: see `download`.
    """
    if reference.scheme == "dataset":
        yield _uploaded(context, reference)
    elif reference.scheme in REMOTE_SCHEMES:
        with IncomingFile(context.settings.downloads) as incoming:
            _fetch(context, reference, incoming)
            yield Source(reference, incoming.path)
    else:
        yield Source(reference)


def outbound_guard(settings: Settings) -> OutboundGuard:
    """What datasets may be fetched from."""
    return OutboundGuard(settings.remote_hosts)


def _fetch(context: JobContext, reference: DatasetReference, incoming: IncomingFile) -> None:
    settings = context.settings
    url = remote_url(reference, settings)

    def still_coming() -> None:
        with context.unit_of_work():  # a touch of the job: progress, in the eyes of who watches for a stall
            pass

    download(
        outbound_guard(settings),
        url,
        incoming,
        uri=reference.uri,
        headers=settings.s3.headers(url) if reference.scheme == "s3" else {},
        limit_bytes=settings.max_upload_bytes,
        on_progress=still_coming,
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
    file = context.store.path(row.sha256)
    if not file.is_file():
        raise DatasetNotFoundError(
            f"the file of {reference.uri} is no longer in the artifact store; delete the dataset and upload it anew",
            field="dataset.uri",
            origin=reference.uri,
        )
    # What the task says of a column goes before what was said with the upload.
    columns = {key: row.reference[key] for key in COLUMN_KEYS if key in row.reference}
    return Source(DatasetReference.from_json({**columns, **reference.to_json(), "format": row.kind}), file)
