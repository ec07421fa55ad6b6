"""The targets of fuzzing: for each a function of bytes, the inputs it begins with, and the refusals it may end with.

An input is worked on, or refused by a named error whose text can be encoded (UTF-8). Anything else is a finding.
"""

import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from atheris import FuzzedDataProvider

from ldnas.data.decoding import decode_image
from ldnas.data.labels import LabelMapping, assign, class_names, mapping_digest
from ldnas.data.readers.files import Kind, kind_of
from ldnas.data.reference import DatasetReference, check_location
from ldnas.data.samples import read_samples
from ldnas.data.survey import Survey, survey
from ldnas.errors import RefusedError
from ldnas.networks.weights_file import read_weights_header
from ldnas.space.genotype import EDGES, PRIMITIVES, Genotype
from service.client.datasets import packed
from service.client.errors import UnpackableFolderError
from tests.fuzz import seeds
from worker.errors import BundleError, RegistryError
from worker.registry import Engine, open_engine
from worker.registry.schema import migrate
from worker.storage.bundle import read_bundle
from worker.storage.folder_store import FolderStore

REFUSALS = (RefusedError, UnpackableFolderError, BundleError, RegistryError)
"""`RefusedError` is the base of all that `ldnas` refuses; the other two are what `ldnas registry import` says."""

_WORDS: tuple[Any, ...] = (
    *("labels", "groups", "rest", "balance", "names", "a", "b", "0", "1", "uri", "format", "fractions", "train"),
    *("validation", "test", "image_column", "builtin://digits", "file:///", "dataset://x", "https://h/f", "parquet"),
    *("edges", *PRIMITIVES, 0, 1, 2, 3, -1, 0.5, 2**70, 1e308, float("nan"), float("inf"), True, False, None, ""),
    *("\ud800", "\0", "é", "file:///\ud800", "https://[", "%00"),
)
_DEEPEST = 4


@dataclass(frozen=True)
class Target:
    """One thing to fuzz.

    Attributes:
        run: works on an input; raises one of `REFUSALS`, or has a bug.
        begin: inputs that are accepted.
        longest: bytes of an input.
    """

    run: Callable[[bytes], None]
    begin: Callable[[], list[bytes]]
    longest: int = 4096


def drawn(data: bytes) -> Any:
    """The JSON value that the bytes are; bytes that are none steer a drawing of one from the words that matter."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return _value(FuzzedDataProvider(data), 0)


def unpacked(data: bytes) -> dict[str, bytes]:
    """Names and contents of the files that the bytes stand for, so that checksums do not stop every change."""
    stream, found = io.BytesIO(data), {}
    while length := stream.read(1):
        name = stream.read(length[0]).decode("utf-8", "replace").replace("\0", "") or "x"
        found[name] = stream.read(int.from_bytes(stream.read(2), "little"))
    return found


def _value(provider: FuzzedDataProvider, depth: int) -> Any:
    kind = provider.ConsumeIntInRange(0, 5) if depth < _DEEPEST else 0
    if kind <= 1:
        return _WORDS[provider.ConsumeIntInRange(0, len(_WORDS) - 1)]
    if kind == 2:
        return provider.ConsumeUnicode(8)
    length = provider.ConsumeIntInRange(0, 6)
    if kind == 3:
        return {str(_value(provider, _DEEPEST)): _value(provider, depth + 1) for _ in range(length)}
    return [_value(provider, depth + 1) for _ in range(length)]


def _labels(data: bytes) -> None:
    value = drawn(data)
    asked = value.get("labels") if isinstance(value, dict) else value
    names = value.get("names") if isinstance(value, dict) else None
    names = list(dict.fromkeys(map(str, names))) if isinstance(names, list) else ["a", "b", "0", "1"]
    mapping = LabelMapping.from_json(asked)
    assert LabelMapping.from_json(mapping.to_json()) == mapping
    assigned = assign(mapping, names)
    of_task = class_names(mapping, names)
    assert set(assigned.values()) == set(range(len(of_task)))
    assert len(set(of_task)) == len(of_task)
    mapping_digest(mapping, names)


def _reference(data: bytes) -> None:
    reference = DatasetReference.from_json(drawn(data))
    assert DatasetReference.from_json(reference.to_json()) == reference
    check_location(reference, [_folder()])


def _genotype(data: bytes) -> None:
    value = drawn(data)
    if isinstance(value, list) and len(value) == len(EDGES):
        value = {"edges": [[*edge, primitive] for edge, primitive in zip(EDGES, value, strict=True)]}
    genotype = Genotype.from_json(value)
    assert Genotype.from_json(json.loads(json.dumps(genotype.to_json()))).digest == genotype.digest


def _image(data: bytes) -> None:
    pixels = decode_image(data, "image")
    assert pixels.ndim == 3
    assert pixels.shape[2] in (1, 3)
    assert np.isfinite(pixels).all()


def _file(data: bytes) -> None:
    """Inspects a file as the service inspects an upload."""
    path = _folder() / "input"
    path.write_bytes(data)
    kind = kind_of(path, "input")
    if kind is Kind.SAFETENSORS:
        read_weights_header(path, "input")
    else:
        _survey(path, DatasetReference("dataset://input", format=kind.value), "input")


def _survey(path: Path, reference: DatasetReference, name: str) -> Survey:
    found = survey(path, reference, name)
    assert found.digest
    assert found.classes
    read_samples(path, reference, name, found)
    return found


def _weights(data: bytes) -> None:
    """Without the eight bytes that have to fit the rest."""
    header, _, tensors = data.partition(b"\n")
    _file(len(header).to_bytes(8, "little") + header + tensors)


def _packed(data: bytes) -> None:
    _file(seeds.zipped(unpacked(data)))


def _packed_tar(data: bytes) -> None:
    _file(seeds.tarred(unpacked(data)))


def _table(data: bytes) -> None:
    """A table of labels next to images; its first line is its name."""
    name, _, content = data.partition(b"\n")
    _file(seeds.zipped({**seeds.folder(), name.decode("utf-8", "replace").replace("\0", "") or "x": content}))


def _tree(data: bytes) -> None:
    """A folder, which is read like the ZIP file that the client packs of it."""
    folder = _folder() / "set"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for place, content in unpacked(data).items():
        _write(folder / place.lstrip("/"), content)
    outcomes = []
    reference = DatasetReference("file:///set")
    with packed(folder) as archive:
        for path in (folder, archive):
            try:
                found = _survey(path, reference, "set")
                outcomes.append((found.digest, found.classes))
            except RefusedError:
                outcomes.append(None)
    assert outcomes[0] == outcomes[1]


def _write(path: Path, content: bytes) -> None:
    """A file or a link within the folder; nothing where the file system cannot have it."""
    if ".." in path.parts:
        return
    with suppress(OSError, ValueError):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not content.startswith(seeds.LINK):
            path.write_bytes(content)
            return
        target = os.fsdecode(content.removeprefix(seeds.LINK))
        if (path.parent / target).resolve().is_relative_to(_folder() / "set"):
            path.symlink_to(target)


def _bundle(data: bytes) -> None:
    path = _folder() / "input.ldnas"
    path.write_bytes(data)
    read_bundle(*_registry(), path)


def _packed_bundle(data: bytes) -> None:
    _bundle(seeds.zipped(unpacked(data)))


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="fuzz-target-"))


@cache
def _registry() -> tuple[Engine, FolderStore]:
    url = f"sqlite:///{_folder()}/registry.sqlite3"
    migrate(url)
    return open_engine(url), FolderStore(_folder() / "artifacts")


def _files() -> list[bytes]:
    return [seeds.zipped(seeds.folder()), seeds.zipped(seeds.arrays()), *seeds.parquet(), *seeds.weights()]


def _members(*each: Mapping[str, bytes]) -> list[bytes]:
    return [seeds.members(files) for files in each]


def _tars() -> list[bytes]:
    return [
        *map(seeds.tarred, (seeds.folder(), seeds.table(), seeds.linked())),
        seeds.tarred(seeds.linked(), mode="w:gz"),
    ]


def _headers() -> list[bytes]:
    return [content[8:-32] + b"\n" + content[-32:] for content in seeds.weights()]


TARGETS: dict[str, Target] = {
    "labels": Target(_labels, lambda: seeds.texts(seeds.LABELS)),
    "references": Target(_reference, lambda: seeds.texts(seeds.REFERENCES)),
    "genotypes": Target(_genotype, lambda: seeds.texts((seeds.CELL, list(PRIMITIVES[:6])))),
    "images": Target(_image, seeds.images, 4096),
    "parquet": Target(_file, seeds.parquet, 16384),
    "files": Target(_file, _files, 16384),
    "packed": Target(_packed, lambda: _members(seeds.folder(), seeds.arrays(), seeds.table(), seeds.shards()), 32768),
    "tars": Target(_file, _tars, 65536),
    "packed_tars": Target(_packed_tar, lambda: _members(seeds.folder(), seeds.table(), seeds.linked()), 16384),
    "npz": Target(_packed, lambda: _members(seeds.arrays(), *seeds.layouts_of_arrays()), 8192),
    "tables": Target(_table, seeds.named_tables),
    "shards": Target(_packed, lambda: _members(seeds.shards()), 32768),
    "folders": Target(_tree, lambda: _members(seeds.linked(), seeds.table(), seeds.shards()), 32768),
    "weights": Target(_weights, _headers),
    "bundles": Target(_bundle, lambda: [seeds.zipped(seeds.bundle())], 16384),
    "packed_bundles": Target(_packed_bundle, lambda: [seeds.members(seeds.bundle())], 16384),
}


def texts_of(refusal: Exception) -> Iterator[str]:
    """Every text of a refusal; none may hold characters that UTF-8 cannot encode."""
    yield str(refusal)
    yield from (str(getattr(refusal, name, None)) for name in ("field", "origin", "place"))


@dataclass(frozen=True)
class Finding:
    """An error that is not a named refusal."""

    error: Exception


def finding(target: Target, data: bytes) -> Finding | None:
    """Runs the target once."""
    try:
        target.run(data)
    except REFUSALS as refusal:
        try:
            for text in texts_of(refusal):
                text.encode()
        except UnicodeEncodeError as error:
            return Finding(error)
    except Exception as error:  # noqa: BLE001 — the very thing that is looked for
        return Finding(error)
    return None
