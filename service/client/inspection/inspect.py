"""Reads every image of a file once; unlike the service's own check, it continues after a broken image."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ldnas.data.assemble import with_split
from ldnas.data.dataset import Image, ImageDataset, Split, content_digest
from ldnas.data.readers.files import Kind, kind_of, read_file
from ldnas.data.readers.raw import RawDataset
from ldnas.data.reference import DatasetReference
from ldnas.errors import BrokenImageError, ImageSizeError, RefusedError
from ldnas.networks.weights_file import read_weights_header
from service.client.inspection.report import BrokenImage, ClassReport, Copies, Report

EXAMPLES = 5

_NOTHING = np.empty((0, 0, 1), dtype=np.uint8)


def inspect_file(path: Path, reference: DatasetReference, name: str, on_image: Callable[[int], None]) -> Report:
    """Reports the contents of a file.

    Args:
        path: an existing file.
        reference: names the columns of a Parquet file.
        name: the file's name in messages.
        on_image: called after each image with the number of images so far.
    """
    kind: Kind | None = None
    try:
        kind = kind_of(path, name)
        if kind is Kind.SAFETENSORS:
            tensors = read_weights_header(path, name)
            return Report(
                kind.value, tensors=len(tensors), parameters=sum(tensor.numbers for tensor in tensors.values())
            )
        seen = _Seen(on_image)
        raw = read_file(path, reference, [path.parent], take=seen.look_at, name=name)
    except RefusedError as refusal:
        return Report(None if kind is None else kind.value, refusal=refusal.message)
    return _report(kind.value, raw, seen, reference)


@dataclass
class _Seen:
    """Digests and shapes of the images in their order, and the broken ones."""

    on_image: Callable[[int], None]
    contents: list[bytes | None] = field(default_factory=list)
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    broken: list[BrokenImage] = field(default_factory=list)

    def look_at(self, decode: Callable[[], Image]) -> Image:
        try:
            image = decode()
        except (BrokenImageError, ImageSizeError) as refusal:
            self.contents.append(None)
            self.broken.append(BrokenImage(refusal.origin or "", refusal.message))
        else:
            self.contents.append(content_digest(image))
            self.shapes.append(image.shape)
        self.on_image(len(self.contents))
        return _NOTHING


def _report(kind: str, raw: RawDataset, seen: _Seen, reference: DatasetReference) -> Report:
    whole = [index for index, content in enumerate(seen.contents) if content is not None]
    contents = [content for content in seen.contents if content is not None]
    kept = _only(raw, whole)
    dataset, refusal = None, None
    try:
        dataset = with_split(kept, reference.fractions, contents)
    except RefusedError as error:
        refusal = error.message
    sizes = sorted(((shape[1], shape[0]) for shape in seen.shapes), key=lambda size: (size[0] * size[1], size))
    return Report(
        kind=kind,
        images=len(whole),
        classes=_classes(kept, dataset),
        smallest=sizes[0] if sizes else None,
        median=sizes[len(sizes) // 2] if sizes else None,
        largest=sizes[-1] if sizes else None,
        grey=sum(shape[2] == 1 for shape in seen.shapes),
        copies=_copies(kept, contents),
        broken=tuple(seen.broken),
        left_out=0 if dataset is None else dataset.left_out,
        refusal=refusal,
    )


def _only(raw: RawDataset, indices: Sequence[int]) -> RawDataset:
    """Only the images at these indices; all classes remain."""
    return RawDataset(
        images=[raw.images[index] for index in indices],
        labels=[raw.labels[index] for index in indices],
        class_names=raw.class_names,
        origins=[raw.origins[index] for index in indices],
        given_splits=[raw.given_splits[index] for index in indices],
        groups=[raw.groups[index] for index in indices],
    )


def _classes(raw: RawDataset, dataset: ImageDataset | None) -> tuple[ClassReport, ...]:
    images = Counter(raw.labels)
    if dataset is None:
        return tuple(ClassReport(name, images[label], None, None, None) for label, name in enumerate(raw.class_names))
    places = Counter(zip(dataset.labels.tolist(), dataset.splits.tolist(), strict=True))
    return tuple(
        ClassReport(name, images[label], *(places[label, str(split)] for split in Split))
        for label, name in enumerate(raw.class_names)
    )


def _copies(raw: RawDataset, contents: Sequence[bytes]) -> Copies:
    equal: dict[bytes, list[int]] = defaultdict(list)
    for index, content in enumerate(contents):
        equal[content].append(index)
    groups = [indices for indices in equal.values() if len(indices) > 1]
    splits = [len({raw.given_splits[index] for index in indices}) > 1 for indices in groups]
    classes = [len({raw.labels[index] for index in indices}) > 1 for indices in groups]
    # The most serious ones come first.
    order = sorted(range(len(groups)), key=lambda place: (not classes[place], not splits[place]))
    return Copies(
        groups=len(groups),
        images=sum(map(len, groups)),
        across_splits=sum(splits),
        across_classes=sum(classes),
        examples=tuple(tuple(raw.origins[index] for index in groups[place]) for place in order[:EXAMPLES]),
    )
