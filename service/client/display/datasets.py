"""Prints uploaded datasets, and the report on a dataset before its upload."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.client.display.formats import one_line
from service.client.inspection.report import Copies, Report


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


CLASSES_SHOWN = 20
BROKEN_SHOWN = 20
FEW_IMAGES = 50


def print_report(report: Report, name: str, console: Console) -> None:
    """Prints the report; the last lines are the reasons why the service would refuse the file."""
    if report.parameters is not None:
        console.print(f"{name}: weights of a network, {report.tensors} tensors with {report.parameters:,} parameters")
        return
    if report.images:
        console.print(Text(f"{name}: {_count(report.images, 'image')} of {_count(len(report.classes), 'class')}"))
    print_warnings(report.warnings, console)
    if report.images:
        console.print(_classes(report))
        console.print(Text(f"sizes: {_sizes(report)}; {_colours(report)}"))
    if report.wide_values is not None:
        console.print(Text(_wide_values(report.wide_values)))
        if report.wide_values["warning"]:
            console.print(Text(report.wide_values["warning"], style="yellow"), soft_wrap=True)
    for line in _copies(report.copies, report.left_out) if report.copies else ():
        console.print(Text(line))
    for broken in report.broken[:BROKEN_SHOWN]:
        console.print(Text(f"broken: {one_line(broken.detail)}", style="red"), soft_wrap=True)
    if len(report.broken) > BROKEN_SHOWN:
        console.print(Text(f"and {len(report.broken) - BROKEN_SHOWN} more broken images", style="red"))
    print_job_refusals(report.job_refusals, console, classes=len(report.classes))
    if report.refusal:
        console.print(Text(f"refused: {one_line(report.refusal)}", style="red"), soft_wrap=True)


def print_warnings(warnings: Iterable[str], console: Console) -> None:
    """Prints sentences on files that are not read, and on doubtful classes."""
    for warning in warnings:
        console.print(Text(f"! {one_line(warning)}", style="yellow"), soft_wrap=True)


def print_job_refusals(reasons: Sequence[str], console: Console, *, classes: int) -> None:
    """Prints why a job on all classes of a dataset would be refused, and the remedy; nothing if it would not be."""
    for reason in reasons[:CLASSES_SHOWN]:
        console.print(Text(f"warning: {one_line(reason)}", style="yellow"), soft_wrap=True)
    if len(reasons) > CLASSES_SHOWN:
        console.print(Text(f"and {len(reasons) - CLASSES_SHOWN} more such warnings", style="yellow"))
    if reasons:
        words = "a job on all of these classes is refused for this; --group and --rest can drop or join classes"
        if classes < 2:
            words = "every job on this dataset is refused for this; add the images of at least one other class"
        console.print(Text(f"  {words}", style="yellow"), soft_wrap=True)


def _classes(report: Report) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("class", overflow="fold")
    for column in ("images", "train", "validation", "test"):
        table.add_column(column, justify="right")
    table.add_column("")
    for entry in report.classes[:CLASSES_SHOWN]:
        splits = (entry.train, entry.validation, entry.test)
        note = "few images" if entry.images < FEW_IMAGES else ""
        counts = ("·" if count is None else f"{count:,}" for count in splits)
        table.add_row(Text(one_line(entry.name)), f"{entry.images:,}", *counts, Text(note, style="yellow"))
    if len(report.classes) > CLASSES_SHOWN:
        table.add_row(Text(f"and {len(report.classes) - CLASSES_SHOWN} more", style="dim"))
    return table


def _sizes(report: Report) -> str:
    if report.smallest is None or report.median is None or report.largest is None:
        return "none"
    smallest, median, largest = (
        f"{width}×{height}" for width, height in (report.smallest, report.median, report.largest)
    )
    return f"all {smallest}" if smallest == largest else f"{smallest} to {largest}, median {median}"


def _colours(report: Report) -> str:
    if report.grey in (0, report.images):
        return "all grey" if report.grey else "all in colour"
    return f"{report.grey:,} grey, {report.images - report.grey:,} in colour"


def _wide_values(values: Mapping[str, Any]) -> str:
    low, high = values["value_range"]
    return (
        f"more than 8 bits: values from {values['lowest']:g} to {values['highest']:g}; the value range "
        f"[{low:g}, {high:g}] becomes black to white, {_count(values['levels'], 'grey level')}"
    )


def _copies(copies: Copies, left_out: int) -> list[str]:
    if not copies.groups:
        return ["copies: none"]
    lines = [f"copies: {copies.images:,} images in {_count(copies.groups, 'group')} with identical pixels"]
    if copies.across_classes:
        lines.append(f"  {_count(copies.across_classes, 'group')} in several classes: one of the labels is wrong")
    if copies.across_splits:
        lines.append(
            f"  {_count(copies.across_splits, 'group')} in several given splits: tasks leave out {left_out:,} images"
        )
    lines += [f"  {one_line(' = '.join(origins))}" for origins in copies.examples]
    return lines


def _count(number: int, what: str) -> str:
    plural = "classes" if what == "class" else f"{what}s"
    return f"{number:,} {what if number == 1 else plural}"
