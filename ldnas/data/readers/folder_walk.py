"""Finds the files of a folder, links followed. A reader and the client that packs the folder share it.

Needs the standard library alone.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ldnas.data.readers.file_names import is_skipped, shown
from ldnas.data.readers.passed_over import PassedOver, Reason
from ldnas.data.reference import resolve_inside
from ldnas.errors import UnreadableDatasetError

# A few links to folders of links stand for any number of files.
MAX_FILES = 1_000_000


@dataclass(frozen=True)
class Walk:
    """The files of a folder by their path in it, in the order of the paths, and all of its folders."""

    files: Mapping[PurePosixPath, Path]
    folders: tuple[PurePosixPath, ...]


def walk(folder: Path, passed: PassedOver, *, roots: Sequence[Path] | None) -> Walk:
    """Every file that is not skipped (`is_skipped`), at any depth.

    Args:
        folder: an existing folder.
        passed: gets what is skipped, and links that lead nowhere.
        roots: the folders that links may lead into; None for any, where a link out of `folder` is noted.

    Raises:
        ForbiddenLocationError: a link leads outside `roots`.
        UnreadableDatasetError: the links stand for more than `MAX_FILES` files and folders.
        OSError: a folder cannot be read.
    """
    top = folder.resolve()
    files: dict[PurePosixPath, Path] = {}
    folders: list[PurePosixPath] = []
    waiting: list[tuple[Path, PurePosixPath, frozenset[Path]]] = [(top, PurePosixPath(), frozenset((top,)))]
    while waiting:
        opened, opened_place, above = waiting.pop()
        with os.scandir(opened) as listed:
            entries = sorted(listed, key=lambda entry: entry.name)
        for entry in entries:
            place = opened_place / entry.name
            if is_skipped(entry.name):
                passed.skip(entry.name)
                continue
            path = Path(entry.path)
            if entry.is_symlink():
                _check_link(path, place, top, roots, passed)
            if path.is_dir():
                target = path.resolve()
                if target in above:
                    passed.add(Reason.LOOPS, place)
                else:
                    folders.append(place)
                    waiting.append((path, place, above | {target}))
            elif path.is_file():
                files[place] = path
            else:
                passed.add(Reason.BROKEN_LINKS if entry.is_symlink() else Reason.SPECIAL, place)
            if len(files) + len(folders) > MAX_FILES:
                raise UnreadableDatasetError(
                    f"{folder} has more than {MAX_FILES} files and folders, links followed; at most that many are read",
                    field="dataset.uri",
                    origin=str(folder),
                )
    return Walk({place: files[place] for place in sorted(files)}, tuple(sorted(folders)))


def _check_link(path: Path, place: PurePosixPath, top: Path, roots: Sequence[Path] | None, passed: PassedOver) -> None:
    if roots is not None:
        resolve_inside(path, roots)
        return
    target = os.path.realpath(path)
    if not Path(target).is_relative_to(top) and os.path.exists(target):
        passed.say(f"followed: the link {shown(place)} leads out of the folder, to {shown(PurePosixPath(target))}")
