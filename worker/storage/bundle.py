"""Reads and writes a bundle: a ZIP of `manifest.json`, a JSON line for each row, and the artifacts that rows name.

    tables/tasks.jsonl …       one file for each table of `worker.registry.bundles.TABLES`
    artifacts/<SHA-256>        weights as safetensors, lists of the images that networks have seen

A bundle of an earlier release has no file for a table of `ADDED_TABLES`. That table is read as empty, because the
baselines are complete without its rows: a race then starts from fresh weights.

A bundle contains no code, and nothing is unpickled: a file from elsewhere is read, checked and then stored.
"""

import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from worker.errors import ArtifactStoreError, BundleError
from worker.registry import TABLES, Engine, Imported, Rows, completed, fault_of, reading, unit_of_work
from worker.storage.artifacts import ArtifactStore

FORMAT = "ldnas registry"
VERSION = 1
ADDED_TABLES = frozenset({"task_cells", "cell_trainings"})
"""Tables that were added after the first release that wrote bundles of this version."""
_CHUNK = 1 << 20
_DAMAGE = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError),
    *(NotImplementedError, RuntimeError, ValueError),  # an unknown method, a password, names that are not UTF-8
)


def write_bundle(engine: Engine, store: ArtifactStore, path: Path) -> dict[str, int]:
    """Write all rows of finished baselines to a new file at `path`; return the number of rows by table.

    The file appears whole or not at all.

    Raises:
        BundleError: `path` exists or cannot be written, or an artifact is missing in the store.
        ArtifactStoreError: object storage failed.
    """
    if path.exists():
        raise BundleError(str(path), "exists already")
    with reading(engine) as registry:
        rows = registry.bundles.export_rows()
    counts = {name: len(table) for name, table in rows.items()}
    draft = path.with_name(f".{path.name}.partial")
    try:
        with zipfile.ZipFile(draft, "w") as bundle:
            manifest = {"format": FORMAT, "version": VERSION, "ldnas": version("ldnas"), "rows": counts}
            bundle.writestr("manifest.json", json.dumps(manifest), zipfile.ZIP_DEFLATED)
            for name, table in rows.items():
                lines = "".join(f"{json.dumps(row)}\n" for row in table)
                bundle.writestr(f"tables/{name}.jsonl", lines, zipfile.ZIP_DEFLATED)
            for artifact in rows["artifacts"]:
                bundle.write(store.local_file(artifact["digest"]), f"artifacts/{artifact['digest']}")
        draft.rename(path)
    except ArtifactStoreError:
        raise
    except OSError as error:
        raise BundleError(str(error.filename or path), str(error.strerror or error)) from error
    finally:
        draft.unlink(missing_ok=True)
    return counts


def read_bundle(engine: Engine, store: ArtifactStore, path: Path, *, prefix: str = "") -> Imported:
    """Import the baselines of a bundle into this registry: all of them, or none if anything is refused.

    Args:
        prefix: put before the names of new baselines.

    Raises:
        BundleError: the file is not a bundle of this version, or a row or an artifact in it is damaged.
        NameTakenError: another baseline has the name of a new one.
        ArtifactStoreError: object storage failed.
    """
    try:
        with zipfile.ZipFile(path) as bundle:
            _require_manifest(bundle)
            rows = {name: list(_rows(bundle, name)) for name in TABLES}
            _require_whole(rows)
            for artifact in rows["artifacts"]:
                _take_artifact(bundle, store, artifact["digest"])
    except ArtifactStoreError:
        raise
    except OSError as error:
        raise BundleError(str(error.filename or path), str(error.strerror)) from error
    except _DAMAGE as error:
        raise BundleError(path.name, f"cannot be read as a ZIP file ({error})") from error
    with unit_of_work(engine) as registry:
        return registry.bundles.import_rows(rows, prefix=prefix)


def _require_manifest(bundle: zipfile.ZipFile) -> None:
    manifest = _json(_member(bundle, "manifest.json"), "manifest.json")
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise BundleError("manifest.json", f"format is not {FORMAT!r}; `ldnas registry export` writes bundles")
    if manifest.get("version") != VERSION:
        raise BundleError("manifest.json", f"version is {manifest.get('version')!r}; this ldnas reads {VERSION}")


def _rows(bundle: zipfile.ZipFile, name: str) -> Iterator[dict[str, Any]]:
    member = f"tables/{name}.jsonl"
    if name in ADDED_TABLES and member not in bundle.namelist():
        return
    for number, line in enumerate(_member(bundle, member).splitlines(), start=1):
        place = f"{member}, line {number}"
        row = _json(line, place)
        if (fault := fault_of(name, row)) is not None:
            raise BundleError(place, fault)
        yield completed(name, row)


def _require_whole(rows: Rows) -> None:
    """Require every row that a row refers to."""
    tasks, networks, genotypes, artifacts = (
        {row[key] for row in rows[name]}
        for name, key in (("tasks", "id"), ("networks", "key"), ("genotypes", "id"), ("artifacts", "digest"))
    )
    named: Mapping[str, tuple[tuple[str, set[Any]], ...]] = {
        "tasks": (("seen_images", artifacts | {None}), ("samples", artifacts | {None})),
        "networks": (("weights", artifacts),),
        "task_networks": (("task_id", tasks), ("network_key", networks)),
        "task_cells": (("task_id", tasks), ("network_key", networks)),
        "cell_trainings": (("task_id", tasks),),
        "task_genotypes": (("task_id", tasks), ("genotype_id", genotypes)),
        "fisher_summaries": (("network_key", networks),),
        "distances": (("source_network", networks), ("target_network", networks)),
    }
    for name, fields in named.items():
        for number, row in enumerate(rows[name], start=1):
            for field, known in fields:
                if row[field] not in known:
                    raise BundleError(f"tables/{name}.jsonl, line {number}", f"no row is its {field}")


def _take_artifact(bundle: zipfile.ZipFile, store: ArtifactStore, digest: str) -> None:
    member = f"artifacts/{digest}"
    with store.receive() as incoming:
        try:
            with bundle.open(member) as content:
                while chunk := content.read(_CHUNK):
                    incoming.write(chunk)
        except KeyError as error:
            raise BundleError(member, "is missing") from error
        if incoming.digest != digest:
            raise BundleError(member, f"its SHA-256 is {incoming.digest}, so it is damaged")
        incoming.flush()
        store.put_incoming(incoming)


def _member(bundle: zipfile.ZipFile, name: str) -> str:
    try:
        return bundle.read(name).decode()
    except KeyError as error:
        raise BundleError(name, "is missing; `ldnas registry export` writes bundles") from error


def _json(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BundleError(place, "is not JSON") from error
