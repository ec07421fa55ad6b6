"""Small pictures of a few training images of each class, for people."""

import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image as PillowImage

from ldnas.data.dataset import Split
from ldnas.data.decoding import Picture
from ldnas.data.readers.files import read_file
from ldnas.data.reference import DatasetReference
from ldnas.data.scaling import to_8_bits
from ldnas.data.survey import Survey
from ldnas.data.value_range import ValueRange

SAMPLES_OF_A_CLASS = 6
SAMPLES_IN_ALL = 240
THUMBNAIL_PIXELS = 96


@dataclass(frozen=True)
class Sample:
    """A training image of a class as a PNG whose longer side has at most `THUMBNAIL_PIXELS`; its own size in pixels."""

    class_name: str
    origin: str
    width: int
    height: int
    png: bytes


def read_samples(path: Path, reference: DatasetReference, name: str, found: Survey) -> tuple[Sample, ...]:
    """Read a file again, and decode only the first training images of each class, in the order of the classes.

    Args:
        path, reference, name: as for `survey`.
        found: the survey of the file.

    Raises:
        EmptySplitError: see `draw_split`.
    """
    chosen = _chosen(found)
    samples = {
        (origin := record.entry.origin): _sample(record.decode(), found.value_range, chosen[origin], origin)
        for record in read_file(path, reference, [path.parent], name=name)
        if record.entry.origin in chosen
    }
    return tuple(samples[origin] for origin in chosen)


def _chosen(found: Survey) -> dict[str, str]:
    """The origins of the images to show, with the name of their class, in the order of the classes."""
    names = found.catalogue.class_names
    each = max(1, min(SAMPLES_OF_A_CLASS, SAMPLES_IN_ALL // len(names)))
    by_class: list[list[str]] = [[] for _ in names]
    for entry, label, split in zip(found.catalogue.entries, found.catalogue.labels, found.drawn.splits, strict=True):
        # Training images alone: the test images must stay unseen.
        if split is Split.TRAIN and len(by_class[label]) < each:
            by_class[label].append(entry.origin)
    pairs = [(origin, name) for name, origins in zip(names, by_class, strict=True) for origin in origins]
    return dict(pairs[:SAMPLES_IN_ALL])


def _sample(picture: Picture, value_range: ValueRange | None, class_name: str, origin: str) -> Sample:
    pixels = to_8_bits(picture.pixels, value_range, origin)
    thumbnail = PillowImage.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels)
    thumbnail.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
    content = io.BytesIO()
    thumbnail.save(content, "PNG", optimize=True)
    return Sample(class_name, origin, picture.width, picture.height, content.getvalue())
