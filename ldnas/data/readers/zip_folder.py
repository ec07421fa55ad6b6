"""Reads a folder of images from a ZIP file, as if it were unpacked."""

import zipfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path, PurePosixPath

from ldnas.data.dataset import Image, Split
from ldnas.data.decoding import decode_image
from ldnas.data.readers.image_folder import IMAGE_SUFFIXES
from ldnas.data.readers.records import Entry, Record, Records, split_named
from ldnas.data.readers.zip_archive import Archive, open_archive
from ldnas.errors import UnreadableDatasetError

# 40 megapixels in three uncompressed colours, and some header.
MAX_IMAGE_FILE_BYTES = 128 * 2**20


def read_zip(path: Path, *, name: str | None = None) -> Records:
    """Read `class/*.png`, or `{train,val,test}/class/*.png`; equal to `read_image_folder` on the unpacked folder.

    One folder that holds all the others (`screws/` in a `screws.zip`) is skipped, unless it is named like a split.

    Args:
        path: an existing file.
        name: the file's name in messages.

    Raises:
        UnreadableDatasetError: see `open_archive`; or it has no class folder with images.
        BrokenImageError, ImageSizeError: from `Record.decode`; `origin` is the path within the folder.
    """
    name = name or path.name
    with open_archive(path, name) as archive:
        found = _images(archive)
        if not found:
            raise UnreadableDatasetError(
                f"{name} has no images as class/image.png or train/class/image.png", field="dataset.uri", origin=name
            )
        for entry, file in found:
            yield Record(entry, partial(_decode, archive, file, entry.origin))
    return None


def _decode(archive: Archive, file: zipfile.ZipInfo, origin: str) -> Image:
    return decode_image(archive.read(file, MAX_IMAGE_FILE_BYTES), origin)


def _images(archive: Archive) -> list[tuple[Entry, zipfile.ZipInfo]]:
    """The images in the order in which the folder would be read: by the parts of their paths."""
    files = {PurePosixPath(entry.filename): entry for entry in archive.entries}
    folders = {parent for file in files for parent in file.parents} | set(archive.folders)
    folders |= {parent for folder in archive.folders for parent in folder.parents}
    root = _root(files, folders)
    tops = {folder.name for folder in _children(root, folders)}
    splits = {top: split_named(top) for top in tops}
    has_splits = Split.TRAIN in splits.values() and None not in splits.values()
    found = []
    for file in sorted(file for file in files if _is_image(file) and file.is_relative_to(root)):
        parts = file.relative_to(root).parts
        above = 1 if has_splits else 0
        if len(parts) < above + 2 or any(_is_hidden(part) for part in parts[: above + 1]):
            continue
        split = splits[parts[0]] if has_splits else None
        found.append((Entry("/".join(parts), parts[above], split), files[file]))
    return found


def _root(files: Iterable[PurePosixPath], folders: set[PurePosixPath]) -> PurePosixPath:
    root = PurePosixPath()
    tops = _children(root, folders)
    direct = {file.parent for file in files if _is_image(file)}
    if len(tops) == 1 and split_named(tops[0].name) is None and not direct & {root, tops[0]}:
        return tops[0]
    return root


def _children(parent: PurePosixPath, folders: set[PurePosixPath]) -> list[PurePosixPath]:
    return [
        folder for folder in folders if folder != parent and folder.parent == parent and not _is_hidden(folder.name)
    ]


def _is_image(file: PurePosixPath) -> bool:
    return file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".")


def _is_hidden(folder: str) -> bool:
    return folder.startswith((".", "__"))
