"""Reads images in folders of classes, optionally below folders of splits, or with a table of labels next to them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePosixPath

from ldnas.data.decoding import Picture, decode_picture
from ldnas.data.readers.class_folders import (
    Folder,
    by_class,
    folder_of,
    no_images,
    split_by_class,
    split_folders,
    split_root,
    unwrapped,
)
from ldnas.data.readers.file_names import in_order, shown
from ldnas.data.readers.file_tree import FileTree
from ldnas.data.readers.foreign_layouts import foreign_layout
from ldnas.data.readers.image_content import SUFFIXES, is_image, is_unread_format
from ldnas.data.readers.label_table import MAX_TABLE_BYTES, NAMES, LabelTable
from ldnas.data.readers.labelled import Labelled
from ldnas.data.readers.passed_over import PassedOver, Reason
from ldnas.data.readers.records import Entry, Record, Records, Summary
from ldnas.data.reference import COLUMN_KEYS, DatasetReference
from ldnas.errors import InvalidReferenceError, UnreadableDatasetError

# 160 megapixels, the most that are decoded, in three uncompressed colours, and some header.
MAX_IMAGE_FILE_BYTES = 512 * 2**20

_ARCHIVE_SUFFIXES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar")


def read_images(tree: FileTree, reference: DatasetReference) -> Records:
    """Read `class/image.png`, `{train,validation,test}/class/image.png`, or images with a table, by their paths.

    - Wrappers, folders with one folder in them that is not a class, are skipped; paths begin below them (`unwrapped`).
    - The folders are splits if they are named like some (`split_folders`), otherwise classes, sorted by name over all
      splits. Folders without images do not count.
    - A `metadata.csv` or `labels.csv` next to the images or their folders names the label of each image instead
      (`LabelTable`), in each split folder or for all.

    Raises:
        UnreadableDatasetError: the images are in no such layout, see the functions above.
        InvalidReferenceError: the reference names a column, but the images have no table, or it has no such column.
        BrokenImageError, ImageSizeError: from `Record.decode`; `origin` is the path below the wrappers.
    """
    images, tables = _images_and_tables(tree)
    top = unwrapped(folder_of(tree, images), tables)
    labelled = _Labels(tree, reference, tables).of(top)
    for image in images:
        if not image.is_relative_to(top.place):
            tree.passed.add(Reason.OUTSIDE, image)
    labels = _of_one_kind([image.label for image in labelled])
    foreign = foreign_layout(tree.files)
    if len(set(labels)) < (1 if foreign is None else 2):
        raise no_images(tree.name, tree.passed, foreign)
    for found, label in zip(labelled, labels, strict=True):
        origin = shown(found.file.relative_to(top.place))
        yield Record(Entry(origin, label, found.split, found.group), partial(decode_file, tree, found.file, origin))
    return Summary(warnings=tree.passed.sentences())


def decode_file(tree: FileTree, file: PurePosixPath, origin: str) -> Picture:
    """An image file; arguments and errors are those of `decode_picture`."""
    return decode_picture(tree.source(file, MAX_IMAGE_FILE_BYTES), origin)


def _images_and_tables(tree: FileTree) -> tuple[list[PurePosixPath], dict[PurePosixPath, PurePosixPath]]:
    """The images, and the tables of labels by their folder; all other files are passed over."""
    images: list[PurePosixPath] = []
    tables: dict[PurePosixPath, PurePosixPath] = {}
    for file in tree.files:
        if file.suffix.lower() in _ARCHIVE_SUFFIXES:
            tree.passed.add(Reason.ARCHIVES, file)
        elif file.name.lower() in NAMES:
            # The files come in their order: of two tables, `metadata.csv` is used.
            if file.parent in tables:
                tree.passed.add(Reason.NOT_IMAGES, tables[file.parent])
            tables[file.parent] = file
        elif is_image(file.suffix, start := b"" if file.suffix.lower() in SUFFIXES else tree.start(file)):
            images.append(file)
        else:
            tree.passed.add(Reason.UNREAD_FORMAT if is_unread_format(file.suffix, start) else Reason.NOT_IMAGES, file)
    return images, tables


@dataclass(frozen=True)
class _Labels:
    """Labels images by tables where there are some, and by folders elsewhere.

    Attributes:
        tables: those of the tree, by their folders.
    """

    tree: FileTree
    reference: DatasetReference
    tables: Mapping[PurePosixPath, PurePosixPath]

    def of(self, top: Folder) -> list[Labelled]:
        """The images of the dataset in the order of their paths."""
        passed, used = self.tree.passed, set[PurePosixPath]()
        splits = split_folders(top, passed, self.tree.name)
        if top.place in self.tables and (found := self._by_common_table(top, splits or [])):
            used.add(top.place)
        elif splits is None:
            found = by_class(top, None, passed, self.tree.name)
        else:
            found = []
            for folder in splits:
                root = folder if folder.place in self.tables else split_root(folder)
                if root.place in self.tables:
                    used.add(root.place)
                    found += self._table(root).label(root.all_images(), folder.split, passed)
                else:
                    found += split_by_class(root, folder, passed, self.tree.name)
        for place, table in self.tables.items():
            if place not in used:
                passed.add(Reason.NOT_IMAGES, table)
        self._require_columns_used(used)
        return sorted(found, key=lambda image: in_order(image.file))

    def _by_common_table(self, top: Folder, splits: Sequence[Folder]) -> list[Labelled]:
        """By the table next to all images or folders; nothing where it does not fit, and folders name the classes."""
        has_classes = all(folder.filled for folder in splits) if splits else len(top.filled) > 1 and not top.images
        is_optional = has_classes and not any(getattr(self.reference, key) for key in COLUMN_KEYS)
        # The sentences about images belong to a table that is used alone.
        passed = PassedOver()
        try:
            found = self._table(top).label(top.all_images(), None, passed)
        except UnreadableDatasetError as refusal:
            if not is_optional:
                raise
            self.tree.passed.say(f"passed over: the folders name the classes, as {refusal.message}")
            return []
        if has_classes:
            self.tree.passed.say(f"the labels are those of {shown(self.tables[top.place])}, not the folders' names")
        self.tree.passed.include(passed)
        of_folder = {image: folder.split for folder in splits for image in folder.all_images()}
        return [replace(image, split=image.split or of_folder.get(image.file)) for image in found]

    def _table(self, folder: Folder) -> LabelTable:
        place = self.tables[folder.place]
        source = self.tree.source(place, MAX_TABLE_BYTES)
        content = source if isinstance(source, bytes) else source.read_bytes()
        return LabelTable(content, place, self.reference)

    def _require_columns_used(self, used: Collection[PurePosixPath]) -> None:
        named = next((key for key in COLUMN_KEYS if getattr(self.reference, key) is not None), None)
        if named is not None and not used:
            raise InvalidReferenceError(
                f"{self.tree.name} is an image folder and has no columns", field=f"dataset.{named}"
            )


def _of_one_kind(labels: Sequence[int | str]) -> list[int | str]:
    """All as text if some are: the number 1 of one table and the text 1 of another are one class."""
    return list(labels) if all(isinstance(label, int) for label in labels) else [str(label) for label in labels]
