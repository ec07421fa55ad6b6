"""The files of a TAR archive, plain or compressed by gzip, unpacked into a temporary folder."""

import gzip
import io
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from ldnas.data.readers.file_tree import FolderTree
from ldnas.data.readers.zip_archive import MAX_ENTRIES, MAX_RATIO, MAX_UNPACKED_BYTES, RATIO_COUNTS_FROM_BYTES
from ldnas.errors import UnreadableDatasetError

GZIP_MAGIC = b"\x1f\x8b"

# `tarfile` reads an extended header (long names, attributes) at once, however large it is.
_MOST_AT_ONCE_BYTES = 2**20
# The errors that the module raises for damaged files.
_DAMAGE = (
    *(tarfile.TarError, zlib.error, EOFError, OSError, ValueError, LookupError, TypeError, ArithmeticError),
    *(RecursionError, AttributeError),
)


@contextmanager
def open_tar(path: Path, name: str) -> Iterator[FolderTree]:
    """Unpack a TAR file that may be hostile, for as long as it is used.

    Args:
        path: an existing file.
        name: the file's name in messages.

    Raises:
        UnreadableDatasetError: it is not a TAR file, is damaged, has no file in it, holds devices, or paths or links
            that lead out of it, or unpacks to more than `MAX_UNPACKED_BYTES` or `MAX_RATIO` times its own size.
    """
    # Not a `TemporaryDirectory`, which warns where an abandoned reader is collected before it is closed.
    folder = Path(tempfile.mkdtemp(prefix="ldnas-tar-"))
    try:
        _unpack(path, folder, name)
        yield FolderTree(folder, [folder], name=name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Bounded(io.BufferedReader):
    """A file that refuses to read too much at once."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= _MOST_AT_ONCE_BYTES:
            raise tarfile.ReadError(f"a header has more than {_MOST_AT_ONCE_BYTES} bytes")
        return super().read(size)


def _unpack(path: Path, folder: Path, name: str) -> None:
    try:
        _extract_all(path, folder, name)
    except tarfile.FilterError as error:
        raise UnreadableDatasetError(f"{name}: {error}; plain files inside are read", origin=name) from error
    except _DAMAGE as error:
        raise UnreadableDatasetError(f"{name} cannot be read as a TAR file: {error}", origin=name) from error


def _extract_all(path: Path, folder: Path, name: str) -> None:
    """Files first, and symbolic links last: while anything is written, none of them can lead it anywhere."""
    with _opened(path) as file, tarfile.open(fileobj=file, mode="r:", errorlevel=2) as archive:
        links, entries, unpacked = list[tarfile.TarInfo](), 0, 0
        most = min(MAX_UNPACKED_BYTES, max(RATIO_COUNTS_FROM_BYTES, MAX_RATIO * path.stat().st_size))
        for member in archive:
            entries, unpacked = entries + 1, unpacked + max(0, member.size)
            if entries > MAX_ENTRIES or unpacked > most:
                raise UnreadableDatasetError(
                    f"{name} unpacks to more than {most} bytes or {MAX_ENTRIES} files; at most {MAX_RATIO} times its "
                    f"size, {MAX_UNPACKED_BYTES} bytes and {MAX_ENTRIES} files are read",
                    origin=name,
                )
            if member.issym() or member.islnk():
                links.append(member)
            else:
                _extract(archive, member, folder, name)
        for member in sorted(links, key=lambda member: member.issym()):
            _extract(archive, member, folder, name)
    if not any(folder.iterdir()):
        raise UnreadableDatasetError(f"{name} is empty", origin=name)


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, name: str) -> None:
    if any((folder / place).is_symlink() for place in PurePosixPath(member.name).parents):
        raise UnreadableDatasetError(
            f"{name}: {member.name} lies in a folder that is a link", origin=f"{name}: {member.name}"
        )
    try:
        archive.extract(member, folder, set_attrs=False, filter="data")
    except OSError as error:
        # The archive's own read errors are among these; so is a name that no file system takes, or a full disk.
        raise UnreadableDatasetError(
            f"{name}: {member.name} cannot be unpacked: {error.strerror or error}", origin=f"{name}: {member.name}"
        ) from error


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as packed:
        is_gzip = packed.read(2) == GZIP_MAGIC
        packed.seek(0)
        with gzip.GzipFile(fileobj=packed) if is_gzip else packed as plain:
            yield _Bounded(plain)
