"""Small valid files and documents, from which the fuzzer begins; made here, so that none has to be kept."""

import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from worker.registry import JobKind, TaskRole, open_engine, unit_of_work
from worker.registry.schema import migrate
from worker.storage.bundle import write_bundle
from worker.storage.folder_store import FolderStore

CELL = {"edges": [[start, end, "identity"] for end in (1, 2, 3) for start in range(end)]}
LABELS: tuple[dict[str, Any], ...] = (
    {"labels": {"groups": [[0, 2], ["b", 3]], "rest": True, "balance": True}, "names": ["a", "b", "c", "d", "e"]},
    {"labels": {"groups": [["a"], ["0"]]}, "names": ["a", "0"]},
)
REFERENCES: tuple[dict[str, Any], ...] = (
    {"uri": "builtin://digits", "fractions": {"train": 0.5, "validation": 0.25, "test": 0.25}},
    {"uri": "torchvision://MNIST"},
    {"uri": "file:///a/b%20c.parquet", "format": "parquet", "image_column": "image", "label_column": "label"},
    {"uri": "dataset://noise-1"},
    {"uri": "https://host/path/file.zip?x=1"},
    {"uri": "s3://bucket/key.npz", "format": "npz"},
)


def texts(values: tuple[Any, ...]) -> list[bytes]:
    """JSON values as text."""
    return [json.dumps(value).encode() for value in values]


def images() -> list[bytes]:
    """One image of every format and of most kinds of pixel."""
    random = np.random.default_rng(0)
    grey = Image.fromarray(random.integers(0, 256, (6, 5), dtype=np.uint8))
    colour = Image.fromarray(random.integers(0, 256, (6, 5, 3), dtype=np.uint8))
    wide = Image.fromarray(random.integers(0, 65536, (6, 5), dtype=np.uint16))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    found = [_saved(grey, name) for name in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")]
    found += [_saved(colour, "PNG"), _saved(colour, "TIFF", compression="tiff_lzw"), _saved(wide, "PNG")]
    found += [_saved(colour.convert("RGBA"), name) for name in ("PNG", "TIFF", "WEBP")]
    found += [_saved(colour.convert("P"), "PNG", transparency=3), _saved(grey.convert("1"), "TIFF")]
    found += [_saved(colour.convert("CMYK"), "JPEG"), _saved(colour, "JPEG", progressive=True, exif=exif)]
    return [*found, _saved(wide, "TIFF"), _saved(colour, "BMP"), _saved(colour, "WEBP", lossless=True)]


def members(files: Mapping[str, bytes]) -> bytes:
    """Files as one input of the targets that pack a ZIP file themselves: see `targets.unpacked`."""
    return b"".join(
        bytes((len(name.encode()),)) + name.encode() + len(content).to_bytes(2, "little") + content
        for name, content in files.items()
    )


def zipped(files: Mapping[str, bytes]) -> bytes:
    """A ZIP file."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


LINK, HARD_LINK = b"link:", b"hard link:"
"""The beginnings of contents that stand for a link; the rest is its target."""


def tarred(files: Mapping[str, bytes], *, mode: Literal["w", "w:gz"] = "w") -> bytes:
    """A TAR file with links (`LINK`, `HARD_LINK`)."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=mode) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            for sign, kind in ((LINK, tarfile.SYMTYPE), (HARD_LINK, tarfile.LNKTYPE)):
                if data.startswith(sign):
                    member.type, member.linkname = kind, data.removeprefix(sign).decode("utf-8", "surrogateescape")
            member.size = len(data) if member.isreg() else 0
            archive.addfile(member, io.BytesIO(data))
    return content.getvalue()


def linked() -> dict[str, bytes]:
    """An image folder with a link to a file, a hard link and a linked class."""
    links = {
        "train/a/link.png": b"link:0.png",
        "train/b/hard.png": b"hard link:train/a/1.png",
        "test/c": b"link:../train/a",
    }
    return {**folder(), **links}


def named_tables() -> list[bytes]:
    """Tables of labels, as the name of the file, a line break and its content."""
    names = list(folder())
    by_path = "".join(f"{name},{number % 2},g{number}\n" for number, name in enumerate(names))
    by_name = "".join(f'"{name}"\t"cat, {number % 2}"\n' for number, name in enumerate(names))
    return [f"metadata.csv\nfile_name,label,group\n{by_path}".encode(), f"labels.csv\nimage\tbreed\n{by_name}".encode()]


def table() -> dict[str, bytes]:
    """Images next to a table of their labels."""
    images = {f"{number}.png": content for number, content in enumerate(folder().values())}
    rows = "".join(f"{name},{'ab'[number % 2]},train\n" for number, name in enumerate(images))
    return {**images, "metadata.csv": f"file_name,label,split\n{rows}".encode()}


def shards() -> dict[str, bytes]:
    """Two Parquet files, one for each split, of which the second names its images by their paths."""
    images = {f"images/{number}.png": content for number, content in enumerate(folder().values())}
    content = io.BytesIO()
    pq.write_table(pa.table({"image": list(images), "label": [row % 2 for row in range(len(images))]}), content)
    return {"train.parquet": parquet()[0], "test.parquet": content.getvalue(), **images}


def folder() -> dict[str, bytes]:
    """An image folder with splits."""
    random = np.random.default_rng(0)
    names = (f"{split}/{label}/{n}.png" for split in ("train", "test") for label in "ab" for n in range(4))
    return {name: _saved(Image.fromarray(random.integers(0, 256, (4, 4), dtype=np.uint8)), "PNG") for name in names}


def arrays() -> dict[str, bytes]:
    """The members of an `.npz`."""
    random = np.random.default_rng(0)
    found = {}
    for part, count in (("train", 24), ("test", 4)):
        found[f"x_{part}.npy"] = _array(random.integers(0, 256, (count, 2, 2), dtype=np.uint8))
        found[f"y_{part}.npy"] = _array(np.arange(count) % 2)
    return found


def layouts_of_arrays() -> list[dict[str, bytes]]:
    """The members of an `.npz` in each layout: MedMNIST's, training images alone, texts, one-hot rows, fractions."""
    random = np.random.default_rng(0)
    grey, rows = random.integers(0, 256, (24, 2, 2), dtype=np.uint8), np.arange(24) % 2
    splits = ("train", "val", "test")
    medical = {f"{split}_images.npy": _array(grey) for split in splits}
    medical |= {f"{split}_labels.npy": _array(rows[:, None]) for split in splits}
    texts = {"x.npy": _array(np.stack([grey] * 3, axis=-1)), "y.npy": _array(np.array(["a", "b"])[rows])}
    one_hot = {"images.npy": _array(grey > 127), "labels.npy": _array(np.eye(2)[rows])}
    floats = {"x_train.npy": _array(grey.astype(np.float32) / 255), "y_train.npy": _array(rows.astype(np.uint8))}
    return [medical, texts, one_hot, floats]


def parquet() -> list[bytes]:
    """Tables in the Hugging Face layout: with class names, and with labels and splits as text."""
    cells = [{"bytes": content, "path": None} for content in folder().values()]
    labels = [row % 2 for row in range(len(cells))]
    features = {"info": {"features": {"label": {"_type": "ClassLabel", "names": ["a", "b"]}}}}
    named = pa.table({"image": cells, "label": labels})
    named = named.replace_schema_metadata({"huggingface": json.dumps(features)})
    words = pa.table({"image": cells, "label": ["ab"[label] for label in labels], "split": ["train", "test"] * 8})
    found = []
    for table in (named, words):
        content = io.BytesIO()
        pq.write_table(table, content, compression="none")
        found.append(content.getvalue())
    return found


def weights() -> list[bytes]:
    """Two tensors as safetensors."""
    header = {"a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, "__metadata__": {"x": "y"}}
    text = json.dumps(header | {"b": {"dtype": "I64", "shape": [], "data_offsets": [24, 32]}}).encode()
    return [len(text).to_bytes(8, "little") + text + bytes(32)]


def bundle() -> dict[str, bytes]:
    """The members of an exported registry with one baseline."""
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        url = f"sqlite:///{folder}/registry.sqlite3"
        migrate(url)
        engine, store = open_engine(url), FolderStore(folder / "artifacts")
        weights, seen = store.put(b"weights"), store.put(b"images")
        with unit_of_work(engine) as registry:
            job = registry.jobs.insert(JobKind.REGISTER_TASK, {"task_id": "odd"})
            registry.tasks.insert(
                id="odd",
                name="odd",
                role=TaskRole.BASELINE,
                job_id=job.id,
                dataset={"uri": "builtin://digits"},
                labels=None,
                epsilon=0.2,
                repetitions=1,
                seed=0,
                seen_images=seen,
            )
            for digest in (weights, seen):
                registry.results.store_artifact(digest, 7, "application/octet-stream")
            columns = {"architecture": "small_cnn", "seed": 0, "classes": 2, "parameters": 10, "seconds": 1.5}
            scores = {"validation_accuracy": 0.9, "validation_balanced_accuracy": 0.8}
            registry.results.store_network(key="n", weights=weights, **columns, **scores)
            registry.task_results.link_network("odd", 0, "n")
            scored = [{"digest": "g", "genotype": CELL, "validation_accuracy": 0.5}]
            registry.task_results.link_genotypes(
                "odd", [row.id for row in registry.results.store_search("s", "random", scored)]
            )
            claimed = registry.leases.claim(job.id, worker="w", lease_seconds=60)
            assert claimed is not None
            registry.leases.finish(job.id, claimed.attempt, {})
        write_bundle(engine, store, folder / "known.ldnas")
        engine.dispose()
        with zipfile.ZipFile(folder / "known.ldnas") as archive:
            return {name: archive.read(name) for name in archive.namelist()}


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def _array(values: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.save(content, values)
    return content.getvalue()
