"""Chooses the reader of a file by the file's first bytes, and reads it."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from ldnas.data.readers.file_tree import FileTree, FolderTree
from ldnas.data.readers.image_content import is_image, is_unread_format
from ldnas.data.readers.image_folder import read_images
from ldnas.data.readers.npz import read_npz
from ldnas.data.readers.parquet import SUFFIX, read_parquet, read_parquet_tree
from ldnas.data.readers.records import Records
from ldnas.data.readers.tar_tree import GZIP_MAGIC, open_tar
from ldnas.data.readers.zip_archive import open_archive
from ldnas.data.readers.zip_tree import open_zip
from ldnas.data.reference import COLUMN_KEYS, DatasetReference
from ldnas.errors import InvalidReferenceError, UnreadableDatasetError

_READ = "a .parquet file, a .zip, .tar or .tar.gz of an image folder or an .npz"
_SAFETENSORS_HEADER_BYTES = 100_000_000
_TAR_MAGIC = slice(257, 262)
_START_BYTES = 512
_OTHER_ARCHIVES = {
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive",
    b"\x89HDF": "an HDF5 file",
    b"ARROW1": "an Arrow file",
    b"\x93NUMPY": "one array (.npy)",
    b"SQLite format 3": "a SQLite database",
}


class Kind(StrEnum):
    """The kind of a single file."""

    ZIP = "zip"
    TAR = "tar"
    NPZ = "npz"
    PARQUET = "parquet"
    SAFETENSORS = "safetensors"


def kind_of(path: Path, name: str) -> Kind:
    """The kind of a file by its content; its name does not matter.

    Raises:
        UnreadableDatasetError: the file is of none of these kinds.
    """
    with path.open("rb") as file:
        start = file.read(_START_BYTES)
    if start.startswith(b"PAR1"):
        return Kind.PARQUET
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return Kind.NPZ if _holds_arrays(path, name) else Kind.ZIP
    if start.startswith(GZIP_MAGIC) or start[_TAR_MAGIC] == b"ustar":
        return Kind.TAR
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= _SAFETENSORS_HEADER_BYTES:
        return Kind.SAFETENSORS
    seen = next((what for magic, what in _OTHER_ARCHIVES.items() if start.startswith(magic)), None)
    if seen is None and (is_image("", start) or is_unread_format("", start)):
        seen = "a single image"
    raise UnreadableDatasetError(
        f"{name} {'has no readable layout' if seen is None else f'is {seen}'}; {_READ} can be read, and network "
        "weights as .safetensors",
        field="dataset.uri",
        origin=name,
    )


def read_file(path: Path, reference: DatasetReference, roots: Sequence[Path], *, name: str | None = None) -> Records:
    """Read a file or a folder with the reader that its content, or else the reference's `format`, asks for.

    Args:
        path: an existing file or folder.
        reference: names the columns, and the format unless it is detected.
        roots: the folders that links may lead into.
        name: the name of a single file in messages; None for its path.

    Raises:
        InvalidReferenceError: columns are named, but the layout has none.
        UnreadableDatasetError, ForbiddenLocationError, BrokenImageError, ImageSizeError: see the readers.
    """
    label = name or path.name
    if path.is_dir():
        if reference.format not in (None, "image_folder", Kind.PARQUET):
            raise UnreadableDatasetError(
                f"{path} is a folder, not a {reference.format} file", field="dataset.uri", origin=str(path)
            )
        return _read_tree(FolderTree(path, roots), reference)
    # By its suffix, so that the error for a broken Parquet file says "broken", not "no dataset".
    layout = reference.format or (Kind.PARQUET if path.suffix.lower() == SUFFIX else kind_of(path, label))
    if layout == Kind.PARQUET:
        return read_parquet(path, reference, roots, name=name)
    if layout == Kind.ZIP:
        return _read_zip(path, reference, label)
    if layout == Kind.TAR:
        return _read_tar(path, reference, label)
    if layout == Kind.NPZ:
        for key in COLUMN_KEYS:
            if getattr(reference, key) is not None:
                raise InvalidReferenceError("an npz file has no columns", field=f"dataset.{key}")
        return read_npz(path, name=name)
    if layout == Kind.SAFETENSORS:
        raise UnreadableDatasetError(
            f"{label} holds network weights and no images; {_READ} is a dataset", field="dataset.uri", origin=label
        )
    raise UnreadableDatasetError(f"{path} is not a folder of images", field="dataset.uri", origin=str(path))


def _read_zip(path: Path, reference: DatasetReference, name: str) -> Records:
    with open_zip(path, name) as tree:
        return (yield from _read_tree(tree, reference))


def _read_tar(path: Path, reference: DatasetReference, name: str) -> Records:
    with open_tar(path, name) as tree:
        return (yield from _read_tree(tree, reference))


def _read_tree(tree: FileTree, reference: DatasetReference) -> Records:
    """Read Parquet files where the tree has some, and else images."""
    files = [file for file in tree.files if file.suffix.lower() == SUFFIX]
    if reference.format == Kind.PARQUET and not files:
        raise UnreadableDatasetError(f"{tree.name} has no Parquet file", field="dataset.uri", origin=tree.name)
    if files and reference.format != "image_folder":
        return (yield from read_parquet_tree(tree, files, reference))
    return (yield from read_images(tree, reference))


def _holds_arrays(path: Path, name: str) -> bool:
    """Whether every name in a ZIP file ends in .npy; False for an unreadable file, which its reader then refuses."""
    try:
        with open_archive(path, name) as archive:
            return all(entry.filename.endswith(".npy") for entry in archive.entries)
    except UnreadableDatasetError:
        return False
