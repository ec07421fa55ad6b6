"""Files that tests upload as datasets, and what of them a store holds."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from worker.settings import Settings


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")


def npz(**changes: Any) -> bytes:
    random = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for part, count in (("train", 24), ("test", 6)):
        arrays[f"x_{part}"] = random.integers(0, 256, (count, 8, 8), dtype=np.uint8)
        arrays[f"y_{part}"] = np.arange(count) % 2
    content = io.BytesIO()
    np.savez(content, **{name: array for name, array in {**arrays, **changes}.items() if array is not None})
    return content.getvalue()


def parquet(**columns: Any) -> bytes:
    random = np.random.default_rng(0)
    content = io.BytesIO()
    cells = []
    for _ in range(20):
        png = io.BytesIO()
        Image.fromarray(random.integers(0, 256, (8, 8), dtype=np.uint8)).save(png, "PNG")
        cells.append({"bytes": png.getvalue(), "path": None})
    values: dict[str, Any] = {"image": cells, "label": [row % 2 for row in range(20)]}
    pq.write_table(pa.table({**values, **columns}), content)
    return content.getvalue()


def stored_files(settings: Settings) -> list[Path]:
    return files_of(Path(settings.artifact_url))
