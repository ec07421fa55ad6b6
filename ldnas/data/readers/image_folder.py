"""Reads a folder of images: one folder per class, optionally below one folder per split."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ldnas.data.dataset import Split
from ldnas.data.decoding import decode_image
from ldnas.data.readers.records import Entry, Record, Records, split_named
from ldnas.data.reference import resolve_inside
from ldnas.errors import UnreadableDatasetError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm")


def read_image_folder(path: Path, roots: Sequence[Path]) -> Records:
    """Read `path/class/*.png`, or `path/{train,val,test}/class/*.png`, in the order of the paths.

    The second layout is taken if every folder in `path` has the name of a split (train, val, validation, test, …) and
    one of them is the training split. Classes are the folders' names, sorted, over all splits; an image may lie
    deeper in its class. Hidden files and files without an image's suffix are skipped.

    Args:
        path: an existing folder.
        roots: the folders that links may lead into.

    Raises:
        UnreadableDatasetError: it has no class folder with images.
        ForbiddenLocationError: a link leads outside `roots`.
        BrokenImageError, ImageSizeError: from `Record.decode`; `origin` is the path within the folder.
    """
    files = [
        (file, split, class_folder.name)
        for split_folder, split in _split_folders(path)
        for class_folder in _folders(split_folder)
        for file in _image_files(class_folder)
    ]
    if not files:
        raise UnreadableDatasetError(
            f"{path} has no images as class/image.png or train/class/image.png", field="dataset.uri", origin=str(path)
        )
    for file, split, class_name in files:
        origin = file.relative_to(path).as_posix()
        yield Record(Entry(origin, class_name, split), partial(decode_image, resolve_inside(file, roots), origin))
    return None


def _split_folders(path: Path) -> list[tuple[Path, Split | None]]:
    folders = _folders(path)
    splits = [split_named(folder.name) for folder in folders]
    if Split.TRAIN in splits and None not in splits:
        return list(zip(folders, splits, strict=True))
    return [(path, None)]


def _folders(path: Path) -> list[Path]:
    return sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith((".", "__")))


def _image_files(folder: Path) -> list[Path]:
    return sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".") and file.is_file()
    )
