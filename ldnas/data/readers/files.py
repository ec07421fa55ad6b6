"""Chooses the reader of a file by the file's first bytes, and reads it."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from ldnas.data.readers.image_folder import read_image_folder
from ldnas.data.readers.npz import read_npz
from ldnas.data.readers.parquet import read_parquet
from ldnas.data.readers.records import Records
from ldnas.data.readers.zip_archive import open_archive
from ldnas.data.readers.zip_folder import read_zip
from ldnas.data.reference import COLUMN_KEYS, DatasetReference
from ldnas.errors import InvalidReferenceError, UnreadableDatasetError

_READ = "a .parquet file, a .zip of an image folder or an .npz"
_SAFETENSORS_HEADER_BYTES = 100_000_000


class Kind(StrEnum):
    """The kind of a single file."""

    ZIP = "zip"
    NPZ = "npz"
    PARQUET = "parquet"
    SAFETENSORS = "safetensors"


def kind_of(path: Path, name: str) -> Kind:
    """The kind of a file by its content; its name does not matter.

    Raises:
        UnreadableDatasetError: the file is of none of these kinds.
    """
    with path.open("rb") as file:
        start = file.read(9)
    if start.startswith(b"PAR1"):
        return Kind.PARQUET
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return Kind.NPZ if _holds_arrays(path, name) else Kind.ZIP
    if start[8:] == b"{" and int.from_bytes(start[:8], "little") <= _SAFETENSORS_HEADER_BYTES:
        return Kind.SAFETENSORS
    raise UnreadableDatasetError(
        f"{name} has no readable layout; {_READ} can be read, and network weights as .safetensors",
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
    layout = reference.format or _layout(path, label)
    if layout == "parquet":
        return read_parquet(path, reference, roots, name=name)
    if layout == Kind.SAFETENSORS:
        raise UnreadableDatasetError(
            f"{label} holds network weights and no images; {_READ} is a dataset", field="dataset.uri", origin=label
        )
    for key in COLUMN_KEYS:
        if getattr(reference, key) is not None:
            kind = "an image folder" if layout == "image_folder" else f"a {layout} file"
            raise InvalidReferenceError(f"{kind} has no columns", field=f"dataset.{key}")
    if layout == "image_folder":
        if not path.is_dir():
            raise UnreadableDatasetError(f"{path} is not a folder of images", field="dataset.uri", origin=str(path))
        return read_image_folder(path, roots)
    if path.is_dir():
        raise UnreadableDatasetError(f"{path} is a folder, not a {layout} file", field="dataset.uri", origin=str(path))
    return (read_npz if layout == Kind.NPZ else read_zip)(path, name=name)


def _layout(path: Path, name: str) -> str:
    if path.is_dir():
        return "parquet" if next(path.rglob("*.parquet"), None) is not None else "image_folder"
    # By its suffix, so that the error for a broken Parquet file says "broken", not "no dataset".
    return Kind.PARQUET if path.suffix.lower() == ".parquet" else kind_of(path, name)


def _holds_arrays(path: Path, name: str) -> bool:
    """Whether every name in a ZIP file ends in .npy; False for an unreadable file, which its reader then refuses."""
    try:
        with open_archive(path, name) as archive:
            return all(entry.filename.endswith(".npy") for entry in archive.entries)
    except UnreadableDatasetError:
        return False
