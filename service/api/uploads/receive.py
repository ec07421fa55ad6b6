"""Checks an uploaded file, then stores it under its name in one transaction."""

import contextlib
import hashlib
import json
import logging
import os
import subprocess
import threading
import uuid
from collections.abc import Mapping
from typing import Any

from ldnas.errors import RefusedError, UnreadableDatasetError
from service.api.dependencies import Resources
from service.api.errors import NotReadyError
from worker.errors import DatasetNameTakenError, error_code
from worker.process.module_command import module_command
from worker.registry import DatasetRow, reading, unit_of_work
from worker.storage.incoming import IncomingFile

log = logging.getLogger(__name__)

BINARY = "application/octet-stream"
JSON = "application/json"

_PATIENCE_SECONDS = 0.2
_ENVIRONMENT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR")
_REFUSED: list[type[RefusedError]] = [RefusedError, *RefusedError.__subclasses__()]
_REFUSALS = {error_code(refused): refused for refused in _REFUSED}


def accept_upload(
    resources: Resources, name: str, incoming: IncomingFile, stated: Mapping[str, Any]
) -> tuple[DatasetRow, bool]:
    """Stores a received file; returns its row, and whether it is new. A refused file leaves nothing behind.

    Args:
        stated: the Parquet columns and the value range, by their key in a dataset reference.

    Raises:
        RefusedError: the file is neither a dataset nor weights; `field` is the query parameter at fault, `origin` the
            file, row or path.
        DatasetNameTakenError: the name belongs to another file.
        NotReadyError: the service is shutting down.
    """
    incoming.flush()
    with reading(resources.engine) as registry:
        stored = registry.datasets.find(name)
    if stored is not None:
        if (stored.sha256, stored.reference) != (incoming.digest, dict(stated)):
            raise DatasetNameTakenError(name)
        return stored, False
    if not incoming.size:
        raise UnreadableDatasetError("the body is empty; send the bytes of the file", origin=name)
    found, samples = _check(resources, name, incoming, stated)
    return _store(resources, incoming, samples, name=name, reference=dict(stated), **found)


def _store(
    resources: Resources, incoming: IncomingFile, samples: bytes | None, **found: Any
) -> tuple[DatasetRow, bool]:
    artifacts = {incoming.digest: (incoming.size, BINARY)}
    columns = {**found, "id": uuid.uuid4().hex, "sha256": incoming.digest, "bytes": incoming.size, "samples": None}
    if samples is not None:
        columns["samples"] = hashlib.sha256(samples).hexdigest()
        artifacts[columns["samples"]] = (len(samples), JSON)
    if not resources.store.stores_in_transaction:
        _put(resources, incoming, samples)
    with unit_of_work(resources.engine) as registry:
        row = registry.datasets.store(artifacts, **columns)
        if row.id == columns["id"] and resources.store.stores_in_transaction:
            _put(resources, incoming, samples)
    return row, row.id == columns["id"]


def _put(resources: Resources, incoming: IncomingFile, samples: bytes | None) -> None:
    resources.store.put_incoming(incoming)
    if samples is not None:
        resources.store.put(samples)


def _check(
    resources: Resources, name: str, incoming: IncomingFile, stated: Mapping[str, Any]
) -> tuple[dict[str, Any], bytes | None]:
    """The columns that the content determines, and the samples where it has images; see `service.api.uploads.check`."""
    command = module_command("service.api.uploads.check", str(incoming.path), name, json.dumps(dict(stated)))
    # Without the service's secrets: the process reads an untrusted file.
    environment = {key: os.environ[key] for key in _ENVIRONMENT if key in os.environ} | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        try:
            output, complaint = _output_of(process, resources.stopping)
        finally:
            process.kill()
    if process.returncode != 0:
        log.warning("the check of %s ended with status %d: %s", name, process.returncode, complaint.decode()[-2000:])
        raise UnreadableDatasetError(
            f"{name} cannot be read: it crashes the reader, or needs too much memory", origin=name
        )
    result = json.loads(output)
    if "refusal" in result:
        refusal = result["refusal"]
        raise _REFUSALS[refusal["code"]](
            refusal["detail"], field=_query_parameter(refusal["field"]), origin=refusal["origin"]
        )
    return result["found"], None if result["samples"] is None else result["samples"].encode()


def _output_of(process: subprocess.Popen[bytes], stopping: threading.Event) -> tuple[bytes, bytes]:
    while not stopping.is_set():
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=_PATIENCE_SECONDS)
    raise NotReadyError("the service is shutting down; send the file again")


def _query_parameter(field: str | None) -> str | None:
    """The query parameter for a field of a task's request; readers report those fields, and an upload has no URI."""
    name = (field or "").removeprefix("dataset.")
    return name if name.endswith("_column") or name == "value_range" else None
