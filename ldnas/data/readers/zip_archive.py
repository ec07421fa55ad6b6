"""Opens an untrusted ZIP file: checks its directory before unpacking anything, and limits every read."""

import io
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from ldnas.errors import UnreadableDatasetError

MAX_ENTRIES = 1_000_000
# `zipfile` reads the whole directory before any check is possible; an entry takes 46 bytes and its name.
MAX_DIRECTORY_BYTES = 64 * 2**20
MAX_UNPACKED_BYTES = 64 * 2**30
MAX_RATIO = 100
# Small archives may have any ratio: their unpacked size is small as well.
RATIO_COUNTS_FROM_BYTES = 64 * 2**20

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
_LOCAL_HEADER_BYTES = 30
_WINDOWS = 0  # `create_system`
_DRIVE = re.compile(r"[A-Za-z]:/")
# The errors that the module raises for damaged files; NotImplementedError for an unknown method.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError)


class Archive:
    """An open archive whose directory passed all checks; `entries` are its files in the order of the directory."""

    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        self._archive = archive
        self._name = name
        self.entries = tuple(entry for entry in archive.infolist() if not entry.is_dir())
        self.folders = tuple(entry for entry in archive.infolist() if entry.is_dir())

    @contextmanager
    def opened(self, entry: zipfile.ZipInfo) -> Iterator[IO[bytes]]:
        """The bytes of a file, never more than its directory entry says.

        Raises:
            UnreadableDatasetError: it is damaged (its checksum is compared at its end).
        """
        try:
            with self._archive.open(entry) as file:
                yield file
        except _DAMAGE as error:
            raise _refusal(f"cannot be unpacked: {error}", self._name, entry) from error

    def read(self, entry: zipfile.ZipInfo, limit_bytes: int) -> bytes:
        """All bytes of a file.

        Raises:
            UnreadableDatasetError: it is damaged, or larger than `limit_bytes`.
        """
        if entry.file_size > limit_bytes:
            raise _refusal(f"has {entry.file_size} bytes; at most {limit_bytes} are read", self._name, entry)
        with self.opened(entry) as file:
            return file.read()


@contextmanager
def open_archive(path: Path, name: str) -> Iterator[Archive]:
    """Open a ZIP file that may be hostile.

    Args:
        path: an existing file.
        name: the file's name in messages.

    Raises:
        UnreadableDatasetError: it is not a ZIP file, has no file in it, is encrypted, holds links, paths that lead
            out of it, one path twice, bytes that belong to two files, or unpacks to more than `MAX_UNPACKED_BYTES`
            or `MAX_RATIO` times its own size.
    """
    with _Bounded(io.FileIO(path)) as file:
        try:
            archive = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
            raise UnreadableDatasetError(f"{name} cannot be read as a ZIP file: {error}", origin=name) from error
        file.has_directory = True
        for entry in archive.infolist():
            # Old programs of Windows separate folders by a backslash, against the standard of ZIP.
            if entry.create_system == _WINDOWS:
                entry.filename = entry.filename.replace("\\", "/")
        with archive:
            _check_directory(archive, name, path.stat().st_size)
            yield Archive(archive, name)


class _Bounded(io.BufferedReader):
    """A file that refuses the one read with which `zipfile` loads the directory, if the directory is too large.

    Attributes:
        has_directory: whether the directory was loaded; files may be larger.
    """

    has_directory = False

    def read(self, size: int | None = -1, /) -> bytes:
        if not self.has_directory and size is not None and size > MAX_DIRECTORY_BYTES:
            raise zipfile.BadZipFile(f"its directory is larger than {MAX_DIRECTORY_BYTES} bytes")
        # Without a size `zipfile` reads the end of the file alone, where the directory's place is written.
        return super().read(size)


def _check_directory(archive: zipfile.ZipFile, name: str, archive_bytes: int) -> None:
    entries = archive.infolist()
    if len(entries) > MAX_ENTRIES:
        raise UnreadableDatasetError(f"{name} has {len(entries)} entries; at most {MAX_ENTRIES} are read", origin=name)
    seen: set[str] = set()
    for entry in entries:
        _check_entry(entry, name)
        if entry.filename in seen:
            raise _refusal("occurs twice", name, entry)
        seen.add(entry.filename)
    if all(entry.is_dir() for entry in entries):
        raise UnreadableDatasetError(f"{name} is empty", origin=name)
    _check_overlap(entries, name)
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > MAX_UNPACKED_BYTES or unpacked > max(RATIO_COUNTS_FROM_BYTES, MAX_RATIO * archive_bytes):
        raise UnreadableDatasetError(
            f"{name} unpacks to {unpacked} bytes from {archive_bytes}; at most {MAX_RATIO} times its size and "
            f"{MAX_UNPACKED_BYTES} bytes are read",
            origin=name,
        )


def _check_entry(entry: zipfile.ZipInfo, name: str) -> None:
    path = PurePosixPath(entry.filename)
    # `filename` ends before the first NUL byte; `orig_filename` still contains it.
    if (
        not entry.filename
        or path.is_absolute()
        or ".." in path.parts
        or "\\" in entry.filename
        or "\0" in entry.orig_filename
        or _DRIVE.match(entry.filename)
    ):
        raise _refusal("is not a relative path below the archive; write names like class/image.png", name, entry)
    if entry.flag_bits & _ENCRYPTED:
        raise _refusal("is encrypted; archives without a password are read", name, entry)
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _refusal("is a link or a device; plain files are read", name, entry)
    if entry.compress_type not in _METHODS:
        raise _refusal("is compressed by another method than deflate", name, entry)


def _check_overlap(entries: list[zipfile.ZipInfo], name: str) -> None:
    """Entries that share their bytes let a small archive unpack to any size (D. Fifield, "A better zip bomb", 2019)."""
    end = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.header_offset < end:
            raise _refusal("shares bytes with another file of the archive", name, entry)
        end = entry.header_offset + _LOCAL_HEADER_BYTES + entry.compress_size


def _refusal(reason: str, name: str, entry: zipfile.ZipInfo) -> UnreadableDatasetError:
    origin = f"{name}: {entry.filename}"
    return UnreadableDatasetError(f"{origin} {reason}", origin=origin)
