"""The image files that a person names, one by one or by their folder."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ldnas.data.dataset import Image
from ldnas.data.decoding import decode_image
from ldnas.data.readers.image_folder import IMAGE_SUFFIXES
from ldnas.errors import RefusedError


@dataclass(frozen=True)
class BrokenFile:
    """A file that could not be read as an image, and why; the message names it."""

    path: Path
    message: str


def image_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Each file itself; of a folder every image file at any depth, by name, without hidden ones.

    A file that was named is given whatever it is called, so that reading it tells what is wrong with it.
    """
    for path in paths:
        if path.is_dir():
            found = (file.relative_to(path) for file in path.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES)
            yield from (path / file for file in sorted(found) if not any(part.startswith(".") for part in file.parts))
        else:
            yield path


def read_image(path: Path) -> Image | BrokenFile:
    """The image as training would decode it, or why it is none."""
    try:
        return decode_image(path, str(path))
    except RefusedError as refusal:
        return BrokenFile(path, refusal.message)
