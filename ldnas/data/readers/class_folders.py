"""The classes and splits that the folders of images form."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from ldnas.data.dataset import Split
from ldnas.data.readers.file_names import fault_of_name, in_order, normalised, shown
from ldnas.data.readers.file_tree import FileTree
from ldnas.data.readers.labelled import Labelled
from ldnas.data.readers.passed_over import PassedOver, Reason
from ldnas.data.readers.records import split_named
from ldnas.errors import UnreadableDatasetError

# Images without labels, which published sets keep next to those with labels.
_UNLABELLED_WORDS = frozenset(
    ("unlabeled", "unlabelled", "unsup", "unsupervised", "unsorted", "nolabel", "pred", "predict", "prediction")
)
_LAYOUTS = "class/image.png, train/class/image.png, or images with a metadata.csv"


@dataclass
class Folder:
    """A folder with the images below it.

    Attributes:
        place: its path.
        images: those in the folder itself, in order.
        children: its folders by name, also those without images.
        count: the images at any depth.
        is_empty: whether no file lies in the folder itself.
    """

    place: PurePosixPath
    images: list[PurePosixPath] = field(default_factory=list)
    children: dict[str, "Folder"] = field(default_factory=dict)
    count: int = 0
    is_empty: bool = True

    @property
    def filled(self) -> list["Folder"]:
        """The folders in it that have images, sorted by name."""
        return [child for _, child in sorted(self.children.items()) if child.count]

    @property
    def split(self) -> Split | None:
        return split_named(self.place.name)

    def all_images(self) -> list[PurePosixPath]:
        """The images at any depth, in the order of their paths."""
        found, waiting = list[PurePosixPath](), [self]
        while waiting:
            folder = waiting.pop()
            found += folder.images
            waiting += folder.children.values()
        return sorted(found, key=in_order)


def folder_of(tree: FileTree, images: Iterable[PurePosixPath]) -> Folder:
    """The outermost folder of a tree, some of whose files are images."""
    top = Folder(PurePosixPath())
    for place in tree.folders:
        _opened(top, place)
    for file in tree.files:
        _opened(top, file.parent)[-1].is_empty = False
    for image in images:
        opened = _opened(top, image.parent)
        opened[-1].images.append(image)
        for folder in opened:
            folder.count += 1
    return top


def unwrapped(folder: Folder, tables: Collection[PurePosixPath]) -> Folder:
    """The folder that holds the classes or splits, below wrappers: folders with one folder of images and no class.

    A folder is not a wrapper if the one in it is named like a split or is a class itself (its images lie in it), if an
    empty folder next to it may be a class, or if it has one of `tables`, the folders with a table of labels.
    """
    while folder.place not in tables and len(folder.filled) == 1:
        only = folder.filled[0]
        is_class = not only.filled or (bool(only.images) and len(only.filled) < 2)
        if only.place not in tables and (only.split is not None or is_class or _has_empty(folder)):
            break
        folder = only
    return folder


def split_folders(folder: Folder, passed: PassedOver, name: str) -> list[Folder] | None:
    """The folders of splits in `folder`, or None where its folders are classes.

    They are splits if two or more of them, or one with folders of its own, are named like splits (`split_named`).
    Folders of images without labels are passed over.

    Raises:
        UnreadableDatasetError: another folder with images lies next to splits; or none of them is the training split.
    """
    splits = [child for child in folder.filled if child.split is not None]
    others = [child for child in folder.filled if child.split is None]
    if not splits or not (len(splits) > 1 or splits[0].filled or not others):
        return None
    for other in others:
        if not _is_unlabelled(other):
            raise UnreadableDatasetError(
                f"{name}: {_listed(splits)} {'is a split' if len(splits) == 1 else 'are splits'}, but "
                f"{shown(other.place)} is not; name every folder there train, validation or test, or every folder "
                "after a class",
                field="dataset.uri",
                origin=shown(other.place),
            )
        for image in other.all_images():
            passed.add(Reason.UNLABELLED, image)
    if Split.TRAIN not in {child.split for child in splits}:
        raise UnreadableDatasetError(
            f"{name}: {_listed(splits)} {'is a split' if len(splits) == 1 else 'are splits'}, but none is "
            "called train; name one train, or every folder after a class",
            field="dataset.uri",
            origin=shown(splits[0].place),
        )
    return splits


def split_root(folder: Folder) -> Folder:
    """The folder with the classes of a split: `seg_train/seg_train` and `train/images` are wrappers of one."""
    while len(folder.filled) == 1 and not folder.images:
        only = folder.filled[0]
        if only.split is not folder.split and split_named(f"{only.place.name} train") is not Split.TRAIN:
            break
        if not only.filled:
            break
        folder = only
    return folder


def by_class(folder: Folder, split: Split | None, passed: PassedOver, name: str) -> list[Labelled]:
    """The images of a folder of class folders; an image may lie deeper in its class.

    Raises:
        UnreadableDatasetError: its folders have splits in them, or a class has a name that not every system
            can hold (`fault_of_name`).
    """
    for image in folder.images:
        passed.add(Reason.OUTSIDE, image)
    for child in folder.children.values():
        if not child.count:
            passed.say(f"passed over: the folder {shown(child.place)} has no image, and makes no class")
    for child in folder.filled:
        _check_class(child, name)
    _warn_of_same_folders(folder, passed)
    return [
        Labelled(image, normalised(child.place.name), split) for child in folder.filled for image in child.all_images()
    ]


def split_by_class(root: Folder, folder: Folder, passed: PassedOver, name: str) -> list[Labelled]:
    """`by_class` of the folder `root` with the classes of the split `folder`.

    A split other than train whose images lie outside of class folders has no labels, and is passed over.

    Raises:
        UnreadableDatasetError: see `by_class`; or the training split has no class folders.
    """
    if root.filled:
        return by_class(root, folder.split, passed, name)
    if folder.split is Split.TRAIN:
        raise UnreadableDatasetError(
            f"{name}: {shown(folder.place)} is the training split, but has its images in no class folders, and no "
            f"metadata.csv; {_LAYOUTS} are read",
            field="dataset.uri",
            origin=shown(folder.place),
        )
    for image in root.images:
        passed.add(Reason.UNLABELLED, image)
    return []


def no_images(name: str, passed: PassedOver, layout: str | None) -> UnreadableDatasetError:
    """The refusal of files that are not a dataset, with the layout that they resemble and the files passed over."""
    what, semicolon, advice = (layout or "").partition("; ")
    found = f"; it looks like {what}, which is not read{semicolon}{advice}" if layout else ""
    said = "".join(f"; {sentence}" for sentence in passed.sentences())
    return UnreadableDatasetError(f"{name} has no images as {_LAYOUTS}{found}{said}", field="dataset.uri", origin=name)


def _opened(top: Folder, place: PurePosixPath) -> list[Folder]:
    """The folder at a place, after all those above it."""
    found = [top]
    for part in place.parts:
        found.append(found[-1].children.setdefault(part, Folder(found[-1].place / part)))
    return found


def _has_empty(folder: Folder) -> bool:
    return any(child.is_empty and not child.children for child in folder.children.values())


def _is_unlabelled(folder: Folder) -> bool:
    words = folder.place.name.lower().replace("-", "_").replace(" ", "_").split("_")
    return not _UNLABELLED_WORDS.isdisjoint(words)


def _check_class(child: Folder, name: str) -> None:
    if (fault := fault_of_name(child.place.name)) is not None:
        raise UnreadableDatasetError(
            f"{name}: the folder {shown(child.place)} names a class, but its name {fault}; rename it, or pack the "
            "archive with names in UTF-8 and without backslashes",
            field="dataset.uri",
            origin=shown(child.place),
        )
    inner = [folder for folder in child.filled if folder.split is not None]
    if not child.images and len(inner) > 1 and len(inner) == len(child.filled):
        raise UnreadableDatasetError(
            f"{name}: the class {shown(child.place)} has the splits {_listed(inner)} in it; put the splits above the "
            "classes: train/class/image.png",
            field="dataset.uri",
            origin=shown(child.place),
        )


def _warn_of_same_folders(folder: Folder, passed: PassedOver) -> None:
    """Several copies of one set, next to each other, look like classes."""
    inner = [{below.place.name for below in child.filled} for child in folder.filled]
    if len(inner) > 1 and len(inner[0]) > 1 and all(names == inner[0] for names in inner):
        passed.say(
            f"doubtful: the folders {_listed(folder.filled)} are the classes, and each has the folders "
            f"{', '.join(sorted(inner[0])[:5])}; if those are the classes, add one of the outer folders alone"
        )


def _listed(folders: Sequence[Folder]) -> str:
    names = [shown(folder.place) for folder in folders[:5]]
    return ", ".join(names) + (", …" if len(folders) > 5 else "")
