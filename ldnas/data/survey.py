"""Reads every image of a file, stores none, and reports the contents."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ldnas.data.catalogue import Catalogue
from ldnas.data.class_counts import ClassCount
from ldnas.data.dataset import Split, content_digest
from ldnas.data.few_levels import FewLevelsFinder
from ldnas.data.readers.files import read_file
from ldnas.data.readers.records import Entry, Reading, Records
from ldnas.data.reference import DatasetReference, Fractions
from ldnas.data.scaling import is_wide
from ldnas.data.split import DrawnSplit
from ldnas.data.value_range import ValueRange
from ldnas.data.wide_values import WideValues, WideValuesFinder
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

    Every property but `value_range` raises EmptySplitError where no split can be drawn; the attributes describe such a
    file too.

    Attributes:
        catalogue: the readable images.
        shapes: `(height, width, channels)` of each readable image; its own, also where it is decoded at a reduced size.
        broken: the other images; empty unless `survey` collected them.
        fractions: the shares of the splits to draw.
        wide_values: of the images with more than 8 bits; None where there are none.
        warnings: `ImageDataset.warnings`.
    """

    catalogue: Catalogue
    shapes: tuple[tuple[int, ...], ...]
    broken: tuple[BrokenImage, ...]
    fractions: Fractions | None
    wide_values: WideValues | None
    warnings: tuple[str, ...]

    @property
    def value_range(self) -> ValueRange | None:
        """`ImageDataset.value_range`."""
        return None if self.wide_values is None else self.wide_values.value_range

    @cached_property
    def drawn(self) -> DrawnSplit:
        """The split of each readable image."""
        return self.catalogue.draw(self.fractions)

    @property
    def digest(self) -> str:
        """`ImageDataset.digest`."""
        return self.catalogue.digest(self.drawn)

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
    """Decode every image of a file, one at a time; those of more than 8 bits a second time, when their range is known.

    Args:
        path: an existing file.
        reference: names the columns of a Parquet file, and states the value range.
        name: the file's name in messages.
        collect_broken: whether to continue after a broken image instead of raising its error.
        on_image: called after each image with the number of images so far.

    Raises:
        UnreadableDatasetError, InvalidReferenceError: no reader can read the layout; see the readers. Or the images
            take more than `MAX_DECODED_BYTES`. See also `WideValuesFinder`.
        BrokenImageError, ImageSizeError: one image; `origin` names it.
    """
    entries: list[Entry] = []
    contents: list[bytes | None] = []
    shapes: list[tuple[int, ...]] = []
    broken: list[BrokenImage] = []
    wide: set[int] = set()
    decoded_bytes = 0
    finder, few = WideValuesFinder(reference.value_range), FewLevelsFinder()
    reading = Reading(_records(path, reference, name))
    for record in reading:
        entries.append(record.entry)
        try:
            picture = reading.decode(record)
        except (BrokenImageError, ImageSizeError) as refusal:
            if not collect_broken:
                raise
            contents.append(None)
            broken.append(BrokenImage(record.entry.origin, refusal.message))
        else:
            pixels = picture.pixels
            decoded_bytes += pixels.nbytes
            if decoded_bytes > MAX_DECODED_BYTES:
                raise UnreadableDatasetError(
                    f"the images of {name} take more than {MAX_DECODED_BYTES} bytes as pixels", origin=name
                )
            finder.add(pixels, record.entry.origin)
            few.add(pixels)
            if is_wide(pixels):
                wide.add(len(contents))
            contents.append(content_digest(pixels))
            shapes.append((picture.height, picture.width, pixels.shape[2]))
        on_image(len(entries))
    for place, record in enumerate(_records(path, reference, name) if wide else ()):
        if place in wide:
            contents[place] = content_digest(finder.scaled(record.decode().pixels))
    catalogue = Catalogue.of(entries, contents, reading.summary)
    warnings = (*catalogue.warnings, *few.warnings)
    return Survey(catalogue, tuple(shapes), tuple(broken), reference.fractions, finder.found(name), warnings)


def _records(path: Path, reference: DatasetReference, name: str) -> Records:
    return read_file(path, reference, [path.parent], name=name)
