"""Reads every image of a file once, stores none, and reports the contents."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ldnas.data.catalogue import Catalogue
from ldnas.data.class_counts import ClassCount
from ldnas.data.dataset import Split, content_digest
from ldnas.data.readers.files import read_file
from ldnas.data.readers.records import Entry, Reading
from ldnas.data.reference import DatasetReference, Fractions
from ldnas.data.split import DrawnSplit
from ldnas.errors import BrokenImageError, ImageSizeError, UnreadableDatasetError

# The memory of a dataset when a job reads it; an image that is small as a file can be large as pixels.
MAX_DECODED_BYTES = 64 * 2**30


@dataclass(frozen=True)
class BrokenImage:
    """An image that cannot be decoded, and the reason. The error itself would hold the image's bytes in memory."""

    origin: str
    reason: str


@dataclass(frozen=True, eq=False)
class Survey:
    """The contents of a file, as `load_dataset` will read them.

    Every property but `warnings` raises EmptySplitError where no split can be drawn; the attributes describe such a
    file too.

    Attributes:
        catalogue: the readable images.
        shapes: `(height, width, channels)` of each readable image.
        broken: the other images; empty unless `survey` collected them.
        fractions: the shares of the splits to draw.
    """

    catalogue: Catalogue
    shapes: tuple[tuple[int, ...], ...]
    broken: tuple[BrokenImage, ...]
    fractions: Fractions | None

    @cached_property
    def drawn(self) -> DrawnSplit:
        """The split of each readable image."""
        return self.catalogue.draw(self.fractions)

    @property
    def digest(self) -> str:
        """`ImageDataset.digest`."""
        return self.catalogue.digest(self.drawn)

    @property
    def warnings(self) -> tuple[str, ...]:
        """`Catalogue.warnings`."""
        return self.catalogue.warnings

    @property
    def left_out(self) -> int:
        """`ImageDataset.left_out`."""
        return self.drawn.left_out

    @property
    def classes(self) -> tuple[ClassCount, ...]:
        """The dataset's own classes, in order."""
        counts = Counter(zip(self.catalogue.labels, self.drawn.splits, strict=True))
        return tuple(
            ClassCount(name, **{str(split): counts[label, split] for split in Split})
            for label, name in enumerate(self.catalogue.class_names)
        )


def survey(
    path: Path,
    reference: DatasetReference,
    name: str,
    *,
    collect_broken: bool = False,
    on_image: Callable[[int], None] = lambda seen: None,
) -> Survey:
    """Decode every image of a file, one at a time.

    Args:
        path: an existing file.
        reference: names the columns of a Parquet file.
        name: the file's name in messages.
        collect_broken: whether to continue after a broken image instead of raising its error.
        on_image: called after each image with the number of images so far.

    Raises:
        UnreadableDatasetError, InvalidReferenceError: no reader can read the layout; see the readers. Or the images
            take more than `MAX_DECODED_BYTES`.
        BrokenImageError, ImageSizeError: one image; `origin` names it.
    """
    entries: list[Entry] = []
    contents: list[bytes | None] = []
    shapes: list[tuple[int, ...]] = []
    broken: list[BrokenImage] = []
    decoded_bytes = 0
    reading = Reading(read_file(path, reference, [path.parent], name=name))
    for record in reading:
        entries.append(record.entry)
        try:
            image = record.decode()
        except (BrokenImageError, ImageSizeError) as refusal:
            if not collect_broken:
                raise
            contents.append(None)
            broken.append(BrokenImage(record.entry.origin, refusal.message))
        else:
            decoded_bytes += image.nbytes
            if decoded_bytes > MAX_DECODED_BYTES:
                raise UnreadableDatasetError(
                    f"the images of {name} take more than {MAX_DECODED_BYTES} bytes as pixels", origin=name
                )
            contents.append(content_digest(image))
            shapes.append(image.shape)
        on_image(len(entries))
    catalogue = Catalogue.of(entries, contents, reading.summary)
    return Survey(catalogue, tuple(shapes), tuple(broken), reference.fractions)
