"""Finds and reads image files, given as files or folders."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ldnas.data.dataset import Image
from ldnas.data.decoding import decode_image
from ldnas.data.readers.image_folder import IMAGE_SUFFIXES
from ldnas.data.scaling import to_8_bits
from ldnas.data.value_range import ValueRange
from ldnas.errors import RefusedError


@dataclass(frozen=True)
class BrokenFile:
    """A file that could not be read as an image, and the reason; the message names the file."""

    path: Path
    message: str


def image_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Yields each given file, and of a folder every image file at any depth, sorted by name, without hidden ones.

    A given file is yielded whatever its suffix, so that reading it reports the error.
    """
    for path in paths:
        if path.is_dir():
            found = (file.relative_to(path) for file in path.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES)
            yield from (path / file for file in sorted(found) if not any(part.startswith(".") for part in file.parts))
        else:
            yield path


def read_image(path: Path, value_range: ValueRange | None) -> Image | BrokenFile:
    """The image, decoded and scaled as in training, or why it cannot be read."""
    try:
        return to_8_bits(decode_image(path, str(path)), value_range, str(path))
    except RefusedError as refusal:
        return BrokenFile(path, refusal.message)
