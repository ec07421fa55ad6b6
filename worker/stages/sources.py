"""Where a job reads a dataset from: a place that every job reaches by itself, or a file of the artifact store."""

from dataclasses import dataclass
from pathlib import Path

from ldnas.data.reference import COLUMN_KEYS, DatasetReference
from ldnas.errors import DatasetNotFoundError
from worker.registry.errors import NotFoundError
from worker.stages.context import JobContext


@dataclass(frozen=True)
class Source:
    """How to read a dataset: `file` is what the reference stands for, or None where it says so itself."""

    reference: DatasetReference
    file: Path | None = None


def source_of(context: JobContext, reference: DatasetReference) -> Source:
    """The source that a reference stands for.

    Raises:
        DatasetNotFoundError: no dataset has the name, or its file is gone.
    """
    if reference.scheme != "dataset":
        return Source(reference)
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
