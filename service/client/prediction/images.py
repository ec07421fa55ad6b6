"""Finds and reads image files, given as files or folders."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ldnas.data.dataset import Image
from ldnas.data.decoding import decode_image
from ldnas.data.readers.folder_walk import walk
from ldnas.data.readers.image_content import START_BYTES, SUFFIXES, is_image
from ldnas.data.readers.passed_over import PassedOver
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

    A file of a folder is an image by its suffix or its content, as in a dataset; a given file is yielded in any case,
    so that reading it reports the error.

    Raises:
        OSError: a folder cannot be read.
    """
    for path in paths:
        if path.is_dir():
            found = walk(path, PassedOver(), roots=None)
            yield from (path / place for place, file in found.files.items() if _is_image(file))
        else:
            yield path


def _is_image(file: Path) -> bool:
    if file.suffix.lower() in SUFFIXES:
        return True
    with file.open("rb") as content:
        return is_image(file.suffix, content.read(START_BYTES))


def read_image(path: Path, value_range: ValueRange | None) -> Image | BrokenFile:
    """The image, decoded and scaled as in training, or why it cannot be read."""
    try:
        return to_8_bits(decode_image(path, str(path)), value_range, str(path))
    except RefusedError as refusal:
        return BrokenFile(path, refusal.message)
