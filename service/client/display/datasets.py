"""Prints uploaded datasets as a table on standard output."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text


def print_datasets(datasets: Iterable[Mapping[str, Any]], console: Console | None = None) -> None:
    """Prints a line for each dataset: its URI, kind, size and numbers of images."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("dataset", no_wrap=True)
    table.add_column("kind")
    for column in ("bytes", "train", "validation", "test"):
        table.add_column(column, justify="right")
    for dataset in datasets:
        counts = [dataset["counts"][split] for split in ("train", "validation", "test")]
        table.add_row(
            Text(dataset["uri"], style="bold"),
            Text(dataset["kind"]),
            f"{dataset['bytes']:,}",
            *("·" if count is None else f"{count:,}" for count in counts),
        )
    (console or Console()).print(
        table if table.row_count else "no datasets; upload one with ldnas dataset add", markup=False
    )
