"""Reads everything that a reader yields, as lists."""

from dataclasses import dataclass
from pathlib import Path

from ldnas.data.catalogue import Catalogue
from ldnas.data.dataset import Image, Split, content_digest
from ldnas.data.readers.files import read_file
from ldnas.data.readers.records import Reading, Records
from ldnas.data.reference import DatasetReference


@dataclass(frozen=True, eq=False)
class Decoded:
    images: list[Image]
    labels: list[int]
    class_names: tuple[str, ...]
    origins: list[str]
    given_splits: list[Split | None]
    groups: list[str | None]
    warnings: tuple[str, ...]

    @property
    def places(self) -> dict[str, tuple[str, Split | None]]:
        """The class and the given split of each image."""
        classes = [self.class_names[label] for label in self.labels]
        return dict(zip(self.origins, zip(classes, self.given_splits, strict=True), strict=True))


def decoded(records: Records) -> Decoded:
    """All images of a reader; each list has one item per image."""
    reading = Reading(records)
    pairs = [(record.entry, reading.decode(record).pixels) for record in reading]
    entries = [entry for entry, _ in pairs]
    images = [image for _, image in pairs]
    catalogue = Catalogue.of(entries, [content_digest(image) for image in images], reading.summary)
    return Decoded(
        images=images,
        labels=list(catalogue.labels),
        class_names=catalogue.class_names,
        origins=[entry.origin for entry in entries],
        given_splits=[entry.given_split for entry in entries],
        groups=[entry.group for entry in entries],
        warnings=catalogue.warnings,
    )


def read(path: Path, *roots: Path, name: str | None = None, **options: str) -> Decoded:
    """All images of a file or a folder; `roots` are those of links, by default the folder that it lies in."""
    return decoded(read_file(path, DatasetReference(path.as_uri(), **options), roots or [path.parent], name=name))
