"""The files of a dataset with many files, wherever they are: in a folder, or in an archive."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path, PurePosixPath
from typing import Protocol

from ldnas.data.readers.file_names import shown
from ldnas.data.readers.folder_walk import walk
from ldnas.data.readers.image_content import START_BYTES
from ldnas.data.readers.passed_over import PassedOver
from ldnas.errors import UnreadableDatasetError


class FileTree(Protocol):
    """Files by their paths. Every rule on layouts works on this alone, so that no two sources are read differently.

    Attributes:
        name: what messages call the whole.
        files: the paths of all files that are not skipped, in their order; a byte that is not UTF-8 is a surrogate.
        folders: those of all folders, also of empty ones.
        passed: what the source itself left out; the reader adds to it.
    """

    @property
    def name(self) -> str: ...

    @property
    def files(self) -> Sequence[PurePosixPath]: ...

    @property
    def folders(self) -> Sequence[PurePosixPath]: ...

    @property
    def passed(self) -> PassedOver: ...

    def start(self, file: PurePosixPath) -> bytes:
        """The first `START_BYTES` of a file."""

    def source(self, file: PurePosixPath, limit_bytes: int) -> bytes | Path:
        """A file's content, or the path where it lies.

        Raises:
            UnreadableDatasetError: it is damaged, or larger than `limit_bytes`.
        """

    def local(self, file: PurePosixPath) -> AbstractContextManager[Path]:
        """A file as a file of this machine, for the readers that jump within it."""


class FolderTree:
    """A folder, links followed.

    Args:
        path: an existing folder.
        roots: the folders that links may lead into.
        name: what messages call it; None for its path.

    Raises:
        ForbiddenLocationError, UnreadableDatasetError: see `walk`; or a folder cannot be read.
    """

    def __init__(self, path: Path, roots: Sequence[Path], *, name: str | None = None) -> None:
        self.name = name or str(path)
        self.passed = PassedOver()
        try:
            self._walk = walk(path, self.passed, roots=roots)
        except OSError as error:
            raise UnreadableDatasetError(
                f"{self.name} cannot be read: {error.filename}: {error.strerror}", field="dataset.uri", origin=self.name
            ) from error
        self.files = tuple(self._walk.files)
        self.folders = self._walk.folders

    def start(self, file: PurePosixPath) -> bytes:
        try:
            with self._walk.files[file].open("rb") as content:
                return content.read(START_BYTES)
        except OSError as error:
            raise UnreadableDatasetError(
                f"{shown(file)} cannot be read: {error.strerror}", origin=shown(file)
            ) from error

    def source(self, file: PurePosixPath, limit_bytes: int) -> bytes | Path:
        path = self._walk.files[file]
        size = path.stat().st_size
        if size > limit_bytes:
            raise UnreadableDatasetError(
                f"{shown(file)} has {size} bytes; at most {limit_bytes} are read", origin=shown(file)
            )
        return path

    @contextmanager
    def local(self, file: PurePosixPath) -> Iterator[Path]:
        yield self._walk.files[file]
