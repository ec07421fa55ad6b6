"""A part of an image set in the layout of Hugging Face datasets, drawn by a seed and written as such a set."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ldnas.seeding import derive_seed

SPLITS = ("train", "test")


def files_of(folder: Path, split: str) -> list[Path]:
    """The Parquet files of one split (`train.parquet`, `train-00000-of-00002.parquet`), in the order of their names."""
    return sorted(folder.glob(f"{split}*.parquet"))


def write_subset(source: Path, target: Path, images: dict[str, int], *, seed: int) -> None:
    """Writes `images[split]` rows of each split of `source` to `target/SPLIT.parquet`, as they are and in their order.

    Each class keeps its share, to within one image. A split that has fewer rows is written whole. Columns and what the
    schema says of them stay. A file appears whole or not at all, and has equal content whenever it is written again.

    Args:
        source: a folder with Parquet files of each split in `images`, and a column `label` in them.
        target: the folder that is written.
        images: how many rows, by split.
        seed: decides which.
    """
    target.mkdir(parents=True, exist_ok=True)
    for split, count in images.items():
        rows = pa.concat_tables(pq.read_table(file) for file in files_of(source, split))
        labels = rows.column("label").to_numpy()
        chosen = drawn_by_class(labels, count, derive_seed(seed, "subset", source.name, split))
        draft = target / f".{split}.partial"
        pq.write_table(rows.take(chosen), draft, row_group_size=5000)
        draft.rename(target / f"{split}.parquet")


def drawn_by_class(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Positions `[min(count, N)]`, ascending, of labels `[N]`: each class has its share of them, to within one.

    The images, in a drawn order within each class, stand in line class after class; every N/count-th is taken.
    """
    if count >= len(labels):
        return np.arange(len(labels))
    order = np.random.default_rng(seed).permutation(len(labels))
    line = order[np.argsort(labels[order], kind="stable")]
    every = (2 * np.arange(count) + 1) * len(labels) // (2 * count)
    return np.sort(line[every])
