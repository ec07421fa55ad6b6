"""What becomes of an uploaded file: looked through, then one transaction that gives it a name and a place."""

import base64
import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ldnas.data.reference import DatasetReference
from ldnas.errors import RefusedError, UnreadableDatasetError
from service.dependencies import Resources
from service.errors import NotReadyError
from service.schemas.datasets import ClassSamples, DatasetSamples, Sample
from worker.incoming import IncomingFile
from worker.registry.datasets import SCHEME
from worker.registry.errors import DatasetNameTakenError
from worker.registry.models import Dataset
from worker.registry.session import reading, unit_of_work

BINARY = "application/octet-stream"
JSON = "application/json"


def accept_upload(
    resources: Resources, name: str, incoming: IncomingFile, columns: Mapping[str, str]
) -> tuple[Dataset, bool]:
    """Keeps a file that was received; its row, and whether it is new. What is refused leaves nothing.

    Args:
        columns: the Parquet columns by their key in a dataset reference.

    Raises:
        RefusedError: the file is no dataset and no weights; `field` is the query parameter at fault, `origin` the
            file, row or path.
        DatasetNameTakenError: another content lies under the name.
        NotReadyError: the service is about to end.
    """
    incoming.flush()
    with reading(resources.engine) as registry:
        stored = registry.datasets.find(name)
    if stored is not None:
        if (stored.sha256, stored.reference) != (incoming.digest, dict(columns)):
            raise DatasetNameTakenError(name)
        return stored, False
    if not incoming.size:
        raise UnreadableDatasetError("the body is empty; the bytes of a file are read", origin=name)
    try:
        found, samples = _look_through(resources, name, incoming, columns)
    except RefusedError as refusal:
        refusal.field = _query_parameter(refusal.field)
        raise
    return _keep(resources, incoming, samples, name=name, reference=dict(columns), **found)


def _keep(resources: Resources, incoming: IncomingFile, samples: bytes | None, **found: Any) -> tuple[Dataset, bool]:
    artifacts = {incoming.digest: (incoming.size, BINARY)}
    columns = {**found, "id": uuid.uuid4().hex, "sha256": incoming.digest, "bytes": incoming.size, "samples": None}
    if samples is not None:
        columns["samples"] = hashlib.sha256(samples).hexdigest()
        artifacts[columns["samples"]] = (len(samples), JSON)
    with unit_of_work(resources.engine) as registry:
        row = registry.datasets.keep(artifacts, **columns)
        if row.id == columns["id"]:
            resources.store.keep(incoming)
            if samples is not None:
                resources.store.put(samples)
    return row, row.id == columns["id"]


def _look_through(
    resources: Resources, name: str, incoming: IncomingFile, columns: Mapping[str, str]
) -> tuple[dict[str, Any], bytes | None]:
    """The columns that the content fills, and the samples where it has images."""
    # NumPy, Pillow and PyArrow take half a second to load, and only uploads need them.
    from ldnas.data.readers.files import Kind, kind_of
    from ldnas.data.survey import survey
    from ldnas.networks.weights_file import read_weights_header

    def go_on() -> None:
        if resources.stopping.is_set():
            raise NotReadyError("the service is about to end; send the file again")

    kind = kind_of(incoming.path, name)
    if kind is Kind.SAFETENSORS:
        tensors = read_weights_header(incoming.path, name)
        parameters = sum(tensor.numbers for tensor in tensors.values())
        return {"kind": kind.value, "tensors": len(tensors), "parameters": parameters}, None
    reference = DatasetReference.from_json({"uri": f"{SCHEME}{name}", "format": kind.value, **columns})
    result = survey(incoming.path, reference, name, go_on)
    classes = {count.name: ClassSamples(name=count.name, samples=[]) for count in result.classes}
    for sample in result.samples:
        png = f"data:image/png;base64,{base64.b64encode(sample.png).decode()}"
        shown = Sample(origin=sample.origin, width=sample.width, height=sample.height, png=png)
        classes[sample.class_name].samples.append(shown)
    document = DatasetSamples(name=name, classes=[shown for shown in classes.values() if shown.samples])
    found = {
        "kind": kind.value,
        "digest": result.digest,
        "classes": [asdict(count) for count in result.classes],
        "left_out": result.left_out,
    }
    return found, document.model_dump_json().encode()


def _query_parameter(field: str | None) -> str | None:
    """The readers name the fields of a task's request; an upload has its columns in the query, and no URI."""
    name = (field or "").removeprefix("dataset.")
    return name if name.endswith("_column") else None
