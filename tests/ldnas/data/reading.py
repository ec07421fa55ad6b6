"""Reads everything that a reader yields, as lists."""

from dataclasses import dataclass

from ldnas.data.catalogue import Catalogue
from ldnas.data.dataset import Image, Split, content_digest
from ldnas.data.readers.records import Reading, Records


@dataclass(frozen=True, eq=False)
class Decoded:
    images: list[Image]
    labels: list[int]
    class_names: tuple[str, ...]
    origins: list[str]
    given_splits: list[Split | None]
    groups: list[str | None]


def decoded(records: Records) -> Decoded:
    """All images of a reader; each list has one item per image."""
    reading = Reading(records)
    pairs = [(record.entry, record.decode()) for record in reading]
    entries = [entry for entry, _ in pairs]
    images = [image for _, image in pairs]
    catalogue = Catalogue.of(entries, [content_digest(image) for image in images], reading.class_names)
    return Decoded(
        images=images,
        labels=list(catalogue.labels),
        class_names=catalogue.class_names,
        origins=[entry.origin for entry in entries],
        given_splits=[entry.given_split for entry in entries],
        groups=[entry.group for entry in entries],
    )
