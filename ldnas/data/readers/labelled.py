"""An image file with its label."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from ldnas.data.dataset import Split


@dataclass(frozen=True, slots=True)
class Labelled:
    """An image file, and what its folders or the row of a table say of it; see `Entry`."""

    file: PurePosixPath
    label: int | str
    split: Split | None
    group: str | None = None
