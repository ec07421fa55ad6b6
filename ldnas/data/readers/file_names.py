"""The names of files: which are never data, and how one that is not UTF-8 is shown.

Needs the standard library alone.
"""

import re
import unicodedata
from pathlib import PurePosixPath

_SKIPPED = frozenset(
    (
        *("__macosx", "__pycache__", "@eadir", "#recycle", "$recycle.bin", "system volume information", "lost+found"),
        *("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"),
        *("thumbnail", "thumbnails", "_thumbnails", "thumbs", "_thumbs"),
    )
)
# Half of a surrogate pair stands for a byte that is not UTF-8 (PEP 383); a backslash separates folders on Windows.
_UNSAFE = re.compile("[\ud800-\udfff\\\\]")


def is_skipped(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or what a system writes next to data (thumbnails, metadata)."""
    return name.startswith(".") or name.lower() in _SKIPPED


def fault_of_name(name: str) -> str | None:
    """Why not every system and every answer can hold the name, as the end of a sentence; None if they can."""
    sign = _UNSAFE.search(name)
    if sign is None:
        return None
    return "has a backslash, which separates folders on Windows" if sign[0] == "\\" else "is not UTF-8"


def shown(place: PurePosixPath) -> str:
    """The path for people and archives: a byte that is not UTF-8 as `%E4`, a backslash as `%5C`."""
    return _UNSAFE.sub(lambda sign: f"%{ord(sign[0]) & 0xFF:02X}", str(place))


def in_order(place: PurePosixPath) -> PurePosixPath:
    """The key that paths are sorted by: as `shown`, so that a folder and the archive packed of it have one order."""
    return place if _UNSAFE.search(str(place)) is None else PurePosixPath(shown(place))


def normalised(name: str) -> str:
    """The name in Unicode's form NFC: macOS writes `é` as two characters, the others as one."""
    return unicodedata.normalize("NFC", name)
