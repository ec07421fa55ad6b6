"""Finds the files of a folder, links followed. A reader and the client that packs the folder share it.

Needs the standard library alone.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ldnas.data.readers.file_names import in_order, is_skipped, shown
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
        passed: gets the skipped files and folders, and links that lead nowhere.
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
                target = _target(path)
                if target is None:
                    passed.add(Reason.BROKEN_LINKS, place)
                    continue
                _check_link(path, target, place, top, roots, passed)
                path = target
            if path in above:
                passed.add(Reason.LOOPS, place)
            elif path.is_dir():
                folders.append(place)
                waiting.append((path, place, above | {path}))
            elif path.is_file():
                files[place] = path
            else:
                passed.add(Reason.SPECIAL, place)
            if len(files) + len(folders) > MAX_FILES:
                raise UnreadableDatasetError(
                    f"{folder} has more than {MAX_FILES} files and folders, links followed; at most that many are read",
                    field="dataset.uri",
                    origin=str(folder),
                )
    return Walk({place: files[place] for place in sorted(files, key=in_order)}, tuple(sorted(folders)))


def _target(link: Path) -> Path | None:
    """Where a link leads in the end, without any link in it; None for nowhere."""
    try:
        # Strict: otherwise a target that is too long would be taken for a path without further links.
        return link.resolve(strict=True)
    except (OSError, RuntimeError):
        return None


def _check_link(
    path: Path, target: Path, place: PurePosixPath, top: Path, roots: Sequence[Path] | None, passed: PassedOver
) -> None:
    if roots is not None:
        resolve_inside(path, roots)
    elif not target.is_relative_to(top):
        passed.say(f"followed: the link {shown(place)} leads out of the folder, to {shown(PurePosixPath(target))}")
