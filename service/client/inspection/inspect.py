"""Turns the survey of a file into a report; unlike the service's own check, it continues after a broken image."""

from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

from ldnas.data.catalogue import Catalogue
from ldnas.data.class_counts import refusals
from ldnas.data.readers.files import Kind, kind_of
from ldnas.data.reference import DatasetReference
from ldnas.data.survey import Survey, survey
from ldnas.errors import EmptySplitError, RefusedError
from ldnas.networks.weights_file import read_weights_header
from service.client.inspection.report import BrokenImage, ClassReport, Copies, Report

EXAMPLES = 5


def inspect_file(path: Path, reference: DatasetReference, name: str, on_image: Callable[[int], None]) -> Report:
    """Reports the contents of a file.

    Args:
        path: an existing file.
        reference: names the columns of a Parquet file, and states the value range.
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
        found = survey(path, reference, name, collect_broken=True, on_image=on_image)
    except RefusedError as refusal:
        return Report(None if kind is None else kind.value, refusal=refusal.message)
    return _report(kind.value, found)


def _report(kind: str, found: Survey) -> Report:
    images = Counter(found.catalogue.labels)
    try:
        classes = tuple(
            ClassReport(count.name, images[label], count.train, count.validation, count.test)
            for label, count in enumerate(found.classes)
        )
        left_out, refusal = found.left_out, None
        refused_by_jobs = tuple(refused.message for refused in refusals(found.classes))
    except EmptySplitError as error:
        classes = tuple(
            ClassReport(name, images[label], None, None, None) for label, name in enumerate(found.catalogue.class_names)
        )
        left_out, refusal, refused_by_jobs = 0, error.message, ()
    sizes = sorted(((shape[1], shape[0]) for shape in found.shapes), key=lambda size: (size[0] * size[1], size))
    return Report(
        kind=kind,
        images=len(found.shapes),
        classes=classes,
        smallest=sizes[0] if sizes else None,
        median=sizes[len(sizes) // 2] if sizes else None,
        largest=sizes[-1] if sizes else None,
        grey=sum(shape[2] == 1 for shape in found.shapes),
        copies=_copies(found.catalogue),
        broken=tuple(BrokenImage(image.origin, image.reason) for image in found.broken),
        left_out=left_out,
        wide_values=None if found.wide_values is None else found.wide_values.to_json(),
        warnings=found.warnings,
        refusal=refusal,
        job_refusals=refused_by_jobs,
    )


def _copies(catalogue: Catalogue) -> Copies:
    equal: dict[bytes, list[int]] = defaultdict(list)
    for index, content in enumerate(catalogue.contents):
        equal[content].append(index)
    groups = [indices for indices in equal.values() if len(indices) > 1]
    splits = [len({catalogue.entries[index].given_split for index in indices}) > 1 for indices in groups]
    classes = [len({catalogue.labels[index] for index in indices}) > 1 for indices in groups]
    # The most serious ones come first.
    order = sorted(range(len(groups)), key=lambda place: (not classes[place], not splits[place]))
    return Copies(
        groups=len(groups),
        images=sum(map(len, groups)),
        across_splits=sum(splits),
        across_classes=sum(classes),
        examples=tuple(tuple(catalogue.entries[index].origin for index in groups[place]) for place in order[:EXAMPLES]),
    )
