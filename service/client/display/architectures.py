"""Prints finished networks on standard output."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.client.display.formats import image_size_of, network_in_short


def print_architectures(architectures: Iterable[Mapping[str, Any]], console: Console | None = None) -> None:
    """Prints two lines for each network: its name, scores and classes, then its id and design."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("name and id", no_wrap=True)
    table.add_column("test accuracy", justify="right")
    table.add_column("parameters", justify="right")
    table.add_column("classes and design", overflow="fold")
    for row in architectures:
        name = Text(row["name"], style="bold").append("\n" + row["id"], style="not bold dim")
        design = Text(", ".join(row["class_names"])).append("\n" + network_in_short(row), style="dim")
        table.add_row(name, _test_accuracy(row), f"{row['parameters']:,}", design)
    nothing = "no finished networks; find one with ldnas recommend"
    (console or Console()).print(table if table.row_count else nothing, markup=False)


def print_architecture(architecture: Mapping[str, Any], console: Console | None = None) -> None:
    """Prints one network: its design, its scores, and the command that exports its files."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    validation = architecture["validation"] or {}
    lines = {
        "id": architecture["id"],
        "classes": ", ".join(architecture["class_names"]),
        **_design(architecture),
        "image size": f"{image_size_of(architecture)} pixels",
        "parameters": f"{architecture['parameters']:,}",
        "multiply-adds": f"{architecture['macs']:,} per image",
        "test accuracy": _test_accuracy(architecture),
        "validation accuracy": _fraction(validation.get("accuracy")),
        "files": f"ldnas architecture export {architecture['id']} --to FOLDER",
    }
    for what, value in lines.items():
        table.add_row(what, Text(value))
    console = console or Console()
    console.print(Text(architecture["name"], style="bold"))
    console.print(table)


def _design(architecture: Mapping[str, Any]) -> dict[str, str]:
    if genotype := architecture["genotype"]:
        return {"cell": ", ".join(f"{start}→{end} {primitive}" for start, end, primitive in genotype["edges"])}
    return {"network": network_in_short(architecture)}


def _test_accuracy(architecture: Mapping[str, Any]) -> str:
    test = architecture["test"] or {}
    text = _fraction(test.get("accuracy"))
    if test.get("interval"):
        low, high = test["interval"]
        text += f" ({low:.3f} to {high:.3f})"
    return text


def _fraction(value: float | None) -> str:
    return "·" if value is None else f"{value:.3f}"
