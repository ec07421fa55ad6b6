"""Small datasets that the tests make themselves."""

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image as PillowImage

from ldnas.data.dataset import Image, ImageDataset, Split
from ldnas.data.load import decode_all
from ldnas.data.readers.records import Entry, Record, Records, Summary, held
from ldnas.data.reference import DatasetReference
from tests.ldnas.data.ways import Files


@pytest.fixture
def grey() -> Callable[..., Image]:
    """`grey(7)` is a grey image that no other number gives."""

    def make(number: int, height: int = 4, width: int = 4) -> Image:
        pixels = np.zeros((height, width, 1), dtype=np.uint8)
        pixels.reshape(-1)[:2] = divmod(number, 256)
        return pixels

    return make


@pytest.fixture
def encode() -> Callable[..., bytes]:
    """The PNG of an array `[H, W, C]`."""

    def make(image: Image) -> bytes:
        buffer = io.BytesIO()
        PillowImage.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image).save(buffer, "PNG")
        return buffer.getvalue()

    return make


@pytest.fixture
def write_parquet(encode: Callable[..., bytes]) -> Callable[..., Path]:
    """Write images and labels as Hugging Face does."""

    def write(
        path: Path,
        images: Sequence[Image | bytes],
        labels: Sequence[Any],
        *,
        names: Sequence[str] | None = None,
        image_column: str = "image",
        label_column: str = "label",
        **more: Sequence[Any],
    ) -> Path:
        cells = [{"bytes": image if isinstance(image, bytes) else encode(image), "path": None} for image in images]
        table = pa.table({image_column: cells, label_column: list(labels), **{k: list(v) for k, v in more.items()}})
        if names is not None:
            features = {label_column: {"names": list(names), "_type": "ClassLabel"}}
            table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path)
        return path

    return write


@pytest.fixture
def make_dataset(grey: Callable[..., Image]) -> Callable[..., ImageDataset]:
    """A dataset with so many different images of each class, split by the default shares, or with all splits given."""

    def make(
        class_sizes: Sequence[int],
        names: Sequence[str] | None = None,
        given: Sequence[Split | None] | None = None,
        images: Sequence[Image] | None = None,
    ) -> ImageDataset:
        labels = [label for label, size in enumerate(class_sizes) for _ in range(size)]

        def records() -> Records:
            for row, label in enumerate(labels):
                entry = Entry(f"row {row}", label, given[row] if given else None)
                yield Record(entry, held(images[row] if images else grey(row)))
            return Summary(tuple(names or (str(label) for label in range(len(class_sizes)))))

        return decode_all(records(), DatasetReference("builtin://digits"))

    return make


@pytest.fixture
def write(tmp_path, encode, grey) -> Callable[[Files], Path]:
    """Write files into the folder `set`."""

    def make(files: Files) -> Path:
        for number, (name, content) in enumerate(files.items()):
            path = tmp_path / "set" / name
            if name.endswith("/"):
                path.mkdir(parents=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode(grey(number)) if content is None else content)
        return tmp_path / "set"

    return make
