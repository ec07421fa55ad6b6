"""The files of a ZIP archive, read from it as they are needed."""

import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from ldnas.data.readers.file_names import in_order, is_skipped, shown
from ldnas.data.readers.image_content import START_BYTES
from ldnas.data.readers.passed_over import PassedOver
from ldnas.data.readers.zip_archive import Archive, open_archive
from ldnas.errors import UnreadableDatasetError

_UTF_8 = 0x800


class ZipTree:
    """An open ZIP archive.

    Args:
        archive: the archive.
        name: what messages call it.

    Raises:
        UnreadableDatasetError: two of its paths are equal (`a/b.png`, `./a/b.png`).
    """

    def __init__(self, archive: Archive, name: str) -> None:
        self.name = name
        self.passed = PassedOver()
        self._archive = archive
        self._entries: dict[PurePosixPath, zipfile.ZipInfo] = {}
        for entry in archive.entries:
            place = _place(entry)
            if place in self._entries:
                raise UnreadableDatasetError(f"{name}: {shown(place)} occurs twice", origin=f"{name}: {shown(place)}")
            if not self._skips(place):
                self._entries[place] = entry
        folders = {place for entry in archive.folders if not self._skips(place := _place(entry))}
        folders.update(parent for file in self._entries for parent in file.parents)
        folders.update(parent for folder in tuple(folders) for parent in folder.parents)
        self.files = tuple(sorted(self._entries, key=in_order))
        self.folders = tuple(sorted(folders - {PurePosixPath()}))

    def start(self, file: PurePosixPath) -> bytes:
        with self._archive.opened(self._entries[file]) as content:
            return content.read(START_BYTES)

    def source(self, file: PurePosixPath, limit_bytes: int) -> bytes | Path:
        return self._archive.read(self._entries[file], limit_bytes)

    @contextmanager
    def local(self, file: PurePosixPath) -> Iterator[Path]:
        with tempfile.NamedTemporaryFile(suffix=file.suffix) as copy:
            with self._archive.opened(self._entries[file]) as content:
                shutil.copyfileobj(content, copy)
            copy.flush()
            yield Path(copy.name)

    def _skips(self, place: PurePosixPath) -> bool:
        hidden = next(filter(is_skipped, place.parts), None)
        if hidden is not None:
            self.passed.skip(hidden)
        return hidden is not None


@contextmanager
def open_zip(path: Path, name: str) -> Iterator[ZipTree]:
    """Open a ZIP file that may be hostile.

    Args:
        path: an existing file.
        name: the file's name in messages.

    Raises:
        UnreadableDatasetError: see `open_archive` and `ZipTree`.
    """
    with open_archive(path, name) as archive:
        yield ZipTree(archive, name)


def _place(entry: zipfile.ZipInfo) -> PurePosixPath:
    """The path of an entry; a byte that is not UTF-8 is a surrogate, as in the name of a file.

    Only a flag marks names in UTF-8, but most programs write UTF-8 without it; `zipfile` reads those as code page 437.
    """
    name = entry.filename
    if not entry.flag_bits & _UTF_8:
        name = name.encode("cp437").decode("utf-8", "surrogateescape")
    return PurePosixPath(name)
