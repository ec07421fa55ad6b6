"""Checks an uploaded file in a separate process: `python -m service.api.uploads.check PATH NAME STATED`.

The libraries that decode images and Parquet are written in C++. A malicious file can crash the process that reads it
(PyArrow aborts on some broken footers) or use all of its memory, so the API process does not read uploads itself.

Prints its result as JSON: `{"found": {columns of the row}, "samples": text or null}`, or `{"refusal": …}`.
"""

import base64
import json
import resource
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ldnas.data.readers.files import Kind, kind_of
from ldnas.data.reference import DatasetReference
from ldnas.data.samples import read_samples
from ldnas.data.survey import survey
from ldnas.errors import RefusedError
from ldnas.networks.weights_file import read_weights_header
from service.schemas.datasets import ClassSamples, DatasetSamples, Sample
from worker.errors import failure_of

# An image of 160 megapixels takes about 2 GB while it is decoded, and a batch of encoded ones 512 MB; far more address
# space is reserved than used.
MEMORY_BYTES = 8 * 2**30


def check_file(path: Path, name: str, stated: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that the content determines, and the document with samples where it has images.

    Args:
        stated: the Parquet columns and the value range, by their key in a dataset reference.

    Raises:
        RefusedError: the file is neither a dataset nor weights.
    """
    kind = kind_of(path, name)
    if kind is Kind.SAFETENSORS:
        tensors = read_weights_header(path, name)
        parameters = sum(tensor.numbers for tensor in tensors.values())
        return {"found": {"kind": kind.value, "tensors": len(tensors), "parameters": parameters}, "samples": None}
    reference = DatasetReference.from_json({"uri": f"dataset://{name}", "format": kind.value, **stated})
    result = survey(path, reference, name)
    by_class: dict[str, list[Sample]] = {count.name: [] for count in result.classes}
    for sample in read_samples(path, reference, name, result):
        png = f"data:image/png;base64,{base64.b64encode(sample.png).decode()}"
        shown = Sample(origin=sample.origin, width=sample.width, height=sample.height, png=png)
        by_class[sample.class_name].append(shown)
    classes = tuple(ClassSamples(name=label, samples=samples) for label, samples in by_class.items() if samples)
    document = DatasetSamples(name=name, classes=classes)
    found = {
        "kind": kind.value,
        "digest": result.digest,
        "classes": [asdict(count) for count in result.classes],
        "left_out": result.left_out,
        "warnings": list(result.warnings),
        "wide_values": None if result.wide_values is None else result.wide_values.to_json(),
    }
    return {"found": found, "samples": document.model_dump_json()}


def main() -> None:
    """Entry point of the process."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    path, name, stated = sys.argv[1:]
    try:
        result = check_file(Path(path), name, json.loads(stated))
    except RefusedError as refusal:
        result = {"refusal": failure_of(refusal)}
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
