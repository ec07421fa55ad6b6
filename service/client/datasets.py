"""The client's calls for uploaded datasets."""

import errno
import math
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import httpx

from ldnas.data.readers.file_names import fault_of_name, shown
from ldnas.data.readers.folder_walk import walk
from ldnas.data.readers.passed_over import PassedOver
from ldnas.errors import UnreadableDatasetError
from service.client.connection import REQUEST_SECONDS, Connection, given, json_of
from service.client.documents import read
from service.client.errors import TemporaryFolderError, UnpackableFolderError
from service.client.files import OnBytes
from service.schemas.datasets import Dataset, DatasetSummary

# The service decodes every image before it answers.
CHECK_SECONDS = 3600.0
CHUNK_BYTES = 2**20

# The errors of a write on a full disk, over a quota, and over the limit on a file's size.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

# The earliest time of a ZIP file, for every entry: the same folder always makes the same file, and is stored once.
_EPOCH = (1980, 1, 1, 0, 0, 0)


class DatasetCalls(Connection):
    """The calls under `/v1/datasets`."""

    def add_dataset(
        self,
        name: str,
        path: str | Path,
        *,
        image_column: str | None = None,
        label_column: str | None = None,
        split_column: str | None = None,
        group_column: str | None = None,
        value_range: Sequence[float] | None = None,
        on_bytes: OnBytes | None = None,
    ) -> Dataset:
        """Uploads a file, or a folder (as a ZIP file), waits for its check and returns the new dataset.

        Tasks refer to it as `dataset://NAME`. The same file again under the name changes nothing; another is refused.

        Args:
            path: a .zip, .tar or .tar.gz of an image folder, an .npz, one .parquet, weights as .safetensors, or a
                folder of images or of Parquet files.
            image_column, label_column, split_column, group_column: columns of a Parquet file or of a metadata.csv, if
                not the usual names.
            value_range: of images with more than 8 bits, the values that become black and white, as `(0, 4095)`; None
                to find them over all images.
            on_bytes: called with the bytes sent so far and the total; after the last one the service checks the file.

        Raises:
            OSError: the file cannot be read.
            UnpackableFolderError: see `packed`.
        """
        stated = {
            "image_column": image_column,
            "label_column": label_column,
            "split_column": split_column,
            "group_column": group_column,
            "value_range": None if value_range is None else ",".join(map(str, value_range)),
        }
        with packed(Path(path)) as file:
            response = self.request(
                "PUT",
                _path(name),
                params=given(stated),
                content=_Content(file, on_bytes),
                headers={
                    "Content-Length": str(file.stat().st_size),
                    "Content-Type": "application/octet-stream",
                },
                timeout=httpx.Timeout(REQUEST_SECONDS, read=CHECK_SECONDS),
            )
        return read(Dataset, json_of(response), self)

    def datasets(self) -> Iterator[DatasetSummary]:
        """Yields every uploaded dataset, newest first, page by page."""
        return self._pages(DatasetSummary, "/v1/datasets", {})

    def dataset(self, name: str) -> Dataset:
        """One dataset: its kind, its size, its digests, and the number of images of each class in each split."""
        return self.read(Dataset, _path(name))

    def remove_dataset(self, name: str) -> None:
        """Removes a dataset; refused while a task refers to it."""
        self.request("DELETE", _path(name))


class _Content:
    """The bytes of a file; each iteration starts at the beginning, so that a request can be repeated."""

    def __init__(self, file: Path, on_bytes: OnBytes | None) -> None:
        self._file = file
        self._on_bytes = on_bytes

    def __iter__(self) -> Iterator[bytes]:
        total, gone = self._file.stat().st_size, 0
        with self._file.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
                gone += len(chunk)
                if self._on_bytes is not None:
                    self._on_bytes(gone, total)


@contextmanager
def packed(path: Path, passed: PassedOver | None = None) -> Iterator[Path]:
    """Yields the file itself, or a folder as a temporary ZIP file: links followed, hidden files left out.

    Args:
        passed: gets the files that are left out, and the links that lead out of the folder.

    Raises:
        OSError: the file or folder cannot be read.
        UnpackableFolderError: it has too many files, a folder in it has a name that not every system can hold, or two
            files would get one name in the archive.
        TemporaryFolderError: the temporary folder is full, or none exists.
    """
    if not path.is_dir():
        yield path
        return
    try:
        found = walk(path, passed or PassedOver(), roots=None)
    except UnreadableDatasetError as error:
        raise UnpackableFolderError(error.message) from error
    with _temporary_folder(path, found.files.values()) as folder:
        packed = Path(folder) / "folder.zip"
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:  # images are compressed already
            # Empty folders too: the check names them.
            for place in found.folders:
                if (fault := fault_of_name(place.name)) is not None:
                    raise UnpackableFolderError(
                        f"the name of the folder {shown(place)} in {path} {fault}; rename it before the upload"
                    )
                archive.writestr(zipfile.ZipInfo(f"{place}/", _EPOCH), b"")
            names = {str(place) for place in found.files}
            for place, file in found.files.items():
                if (name := shown(place)) != str(place) and name in names:
                    raise UnpackableFolderError(
                        f"two files in {path} would be called {name} in the archive: one has that name, and one a sign "
                        "that is written so; rename one of them before the upload"
                    )
                entry = zipfile.ZipInfo(name, _EPOCH)
                with file.open("rb") as content, archive.open(entry, "w", force_zip64=True) as member:
                    while chunk := content.read(CHUNK_BYTES):
                        member.write(chunk)
        yield packed


@contextmanager
def _temporary_folder(path: Path, files: Iterable[Path]) -> Iterator[str]:
    """A folder into which the files of `path` are packed."""
    try:
        folder = tempfile.TemporaryDirectory()
    except OSError as error:
        raise TemporaryFolderError(error.strerror or str(error), "enough free space") from error
    with folder as name:
        try:
            yield name
        except OSError as error:
            if error.errno not in _FULL:
                raise
            size = sum(file.stat().st_size for file in files)
            reason = f"{path} cannot be packed into {name}: {error.strerror}"
            raise TemporaryFolderError(reason, f"{math.ceil(size / 2**20):,} MiB of free space") from error


def _path(name: str) -> str:
    return f"/v1/datasets/{quote(name, safe='')}"
