"""Counts what a reader leaves out, so that it can say so. Needs the standard library alone."""

from collections import Counter
from enum import Enum
from pathlib import PurePosixPath

from ldnas.data.readers.file_names import shown

_LISTED_FOLDERS = 10
_LISTED_SENTENCES = 20
_LISTED_NAMES = 5


class Reason(Enum):
    """Why files are passed over: the words for one file, and for several."""

    NOT_IMAGES = ("file", "not an image", "files", "not images")
    UNREAD_FORMAT = ("file", "an image in a format that is not read", "files", "images in formats that are not read")
    ARCHIVES = ("file", "an archive, which is not unpacked", "files", "archives, which are not unpacked")
    OUTSIDE = ("image", "outside the class folders", "images", "outside the class folders")
    UNLABELLED = ("image", "without a label", "images", "without labels")
    WITHOUT_ROW = ("image", "which no row names", "images", "which no row names")
    BROKEN_LINKS = ("link", "which leads to nothing", "links", "which lead to nothing")
    LOOPS = ("link", "which leads back to a folder above it", "links", "which lead back to folders above them")
    SPECIAL = ("entry", "neither a file nor a folder", "entries", "neither files nor folders")


class PassedOver:
    """The files and folders that were left out so far."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[Reason, PurePosixPath]] = Counter()
        self._first: dict[tuple[Reason, PurePosixPath], str] = {}
        self._skipped: dict[str, None] = {}
        self._said: dict[str, None] = {}

    def add(self, reason: Reason, place: PurePosixPath) -> None:
        """Count a file, by its folder."""
        key = (reason, place.parent)
        self._counts[key] += 1
        self._first.setdefault(key, place.name)

    def skip(self, name: str) -> None:
        """Note that a hidden file or folder of this name was skipped."""
        self._skipped[name] = None

    def say(self, sentence: str) -> None:
        """Note anything else, once."""
        self._said[sentence] = None

    def include(self, other: "PassedOver") -> None:
        """Add what another one counted."""
        self._counts += other._counts
        self._first |= other._first
        self._skipped |= other._skipped
        self._said |= other._said

    def sentences(self) -> tuple[str, ...]:
        """One sentence for each folder and reason, in the order of the folders; of many folders, the first ones."""
        lines = list(self._said)[:_LISTED_SENTENCES]
        if len(self._said) > len(lines):
            lines.append(f"and {len(self._said) - len(lines):,} more sentences like these")
        keys = sorted(self._counts, key=lambda key: (str(key[1]), key[0].name))
        for key in keys[:_LISTED_FOLDERS]:
            reason, folder = key
            one, is_one, several, are_several = reason.value
            count = self._counts[key]
            where = "the folder itself" if folder == PurePosixPath() else shown(folder)
            first = shown(PurePosixPath(self._first[key]))
            what, why, names = (one, is_one, first) if count == 1 else (several, are_several, f"{first}, …")
            lines.append(f"passed over: {count:,} {what} in {where}, {why} ({names})")
        if more := keys[_LISTED_FOLDERS:]:
            count = sum(self._counts[key] for key in more)
            lines.append(f"passed over: {count:,} more in {len(more):,} other folders")
        if self._skipped:
            skipped = sorted(shown(PurePosixPath(name)) for name in self._skipped)
            rest = ", …" if len(skipped) > _LISTED_NAMES else ""
            lines.append(f"skipped: hidden files and those of the system, {', '.join(skipped[:_LISTED_NAMES])}{rest}")
        return tuple(lines)
