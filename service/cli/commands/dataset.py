"""`ldnas dataset`: adds, lists and removes uploaded datasets."""

import os
import re
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ldnas.data.readers.passed_over import PassedOver
from ldnas.data.reference import is_uploaded_name
from service.cli.commands import completion, options
from service.client.datasets import packed
from service.client.errors import MissingPackageError
from service.client.inspection.process import inspect
from service.client.inspection.report import Report
from service.schemas.datasets import Dataset

app = typer.Typer(no_args_is_help=True, help="Add, list and remove datasets in the service.")

DatasetName = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of the dataset; tasks refer to it as dataset://NAME.")
]


@app.command(epilog="Examples: ldnas dataset add screws screws/; ldnas dataset add screws screws.zip --check-only")
def add(
    name: DatasetName,
    path: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            readable=True,
            help="A .zip, .tar or .tar.gz of an image folder, an .npz, a .parquet, weights as .safetensors, or a "
            "folder of images or of Parquet files.",
        ),
    ],
    image_column: options.ImageColumn = None,
    label_column: options.LabelColumn = None,
    split_column: options.SplitColumn = None,
    group_column: options.GroupColumn = None,
    value_range: options.ValueRange = None,
    check: Annotated[bool, typer.Option(help="Check the file on this machine before the upload.")] = True,
    check_only: Annotated[bool, typer.Option("--check-only", help="Check the file and upload nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before the upload.")] = False,
    as_json: options.AsJson = False,
    url: options.Url = options.DEFAULT_URL,
    api_key: options.ApiKey = None,
) -> None:
    """Check a dataset, and upload it: ldnas dataset add screws screws.zip

    Prints classes, sizes, copies and broken images before the upload; a dataset with a broken image is not uploaded. On
    a terminal, asks for confirmation. With --check-only --json: the report as JSON.
    """
    if not is_uploaded_name(name):
        raise typer.BadParameter(
            f"{name!r} is not a name: 1 to 64 letters A to Z or a to z, digits and . _ -, a letter or digit first",
            param_hint="NAME",
        )
    if not os.path.exists(path):  # unlike `Path.exists`, False for a path that is too long
        raise typer.BadParameter(f"path {str(path)!r} does not exist{_meant(path)}", param_hint="FILE")
    stated = options.stated(
        image_column=image_column,
        label_column=label_column,
        split_column=split_column,
        group_column=group_column,
        value_range=value_range,
    )
    try:
        passed = PassedOver()
        report = None
        with packed(path, passed) as file:
            if check or check_only:
                report = _report(file, path, stated, passed.sentences(), check_only=check_only, as_json=as_json)
            if report is not None and not report.is_accepted:
                raise typer.Exit(1)
            if check_only:
                return
            if check and not yes:
                _ask(name)
            document = _upload(name, file, stated, url, api_key)
    except OSError as error:
        raise typer.BadParameter(f"cannot be read: {error}", param_hint="FILE") from error
    if as_json:
        options.print_json(document)
        return
    if report is None:  # the warnings of the check, which was not made on this machine
        _print_warnings(document)
    if document["images"] is None:
        typer.echo(f"{document['uri']} contains the weights of a network, {document['parameters']:,} parameters")
    else:
        typer.echo(f"{document['uri']} has {document['images']:,} images of {len(document['classes'])} classes")


def _meant(path: Path) -> str:
    """What to write in place of a URI, as the end of a sentence; `Path` has made one slash of several."""
    uri = re.fullmatch(r"(\w+):(/.*|[^/].*)", str(path))
    if uri is None or len(uri[1]) == 1:  # a drive of Windows
        return ""
    return "; FILE is a path and no URI" + (f": {uri[2]}" if uri[1].lower() == "file" else "")


def _report(
    file: Path,
    path: Path,
    stated: dict[str, Any],
    warnings: tuple[str, ...],
    *,
    check_only: bool,
    as_json: bool,
) -> Report | None:
    """Checks the file, prints the report and returns it; None if this machine cannot check it.

    Args:
        path: the path that the user gave; `file` is its packed form.
        warnings: sentences on the packing, which come first in the report.
    """
    from rich.console import Console

    from service.client.display.datasets import print_report
    from service.client.display.progress import count_shown

    name = path.name or str(path)
    try:
        with count_shown("checking the images") as count:
            report = inspect(file, name, stated, count)
        report = replace(report, warnings=warnings + report.warnings)
    except MissingPackageError as error:
        if check_only:
            raise
        typer.echo(f"{name} is not checked on this machine, only by the service; {error}", err=True)
        return None
    if check_only and as_json:
        options.print_json({**asdict(report), "accepted": report.is_accepted})
    else:
        # Standard output is for the result: the report with --check-only, else the new dataset.
        print_report(report, name, Console(stderr=not check_only))
    if not report.is_accepted and not check_only:
        typer.echo("ldnas: nothing was uploaded, because the service would refuse it", err=True)
    return report


def _print_warnings(dataset: Dataset) -> None:
    from rich.console import Console

    from service.client.display.datasets import print_job_refusals, print_warnings

    console = Console(stderr=True)
    print_warnings(dataset["warnings"], console)
    print_job_refusals(dataset["job_refusals"], console, classes=len(dataset["classes"]))


def _ask(name: str) -> None:
    """On a terminal, asks whether to continue."""
    if is_at_terminal() and not typer.confirm(f"Upload it as {name}?", default=True, err=True):
        raise typer.Exit(1)


def is_at_terminal() -> bool:
    """Whether standard input and standard error are a terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _upload(name: str, file: Path, stated: dict[str, Any], url: str, api_key: str | None) -> Dataset:
    from service.client.display.progress import bytes_shown

    with options.open_client(url, api_key) as client, bytes_shown(f"uploading {name}") as on_bytes:
        return client.add_dataset(name, file, on_bytes=on_bytes, **stated)


@app.command("list", epilog="Example: ldnas dataset list")
def list_datasets(
    as_json: options.AsJson = False,
    url: options.Url = options.DEFAULT_URL,
    api_key: options.ApiKey = None,
) -> None:
    """List the uploaded datasets, newest first."""
    from service.client.display.datasets import print_datasets

    with options.open_client(url, api_key) as client:
        datasets = list(client.datasets())
    if as_json:
        options.print_json({"items": datasets, "next": None})
    else:
        print_datasets(datasets)


@app.command(epilog="Example: ldnas dataset remove screws")
def remove(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="Name of the dataset, as in dataset://NAME.", autocompletion=completion.of_datasets
        ),
    ],
    as_json: options.AsJson = False,
    url: options.Url = options.DEFAULT_URL,
    api_key: options.ApiKey = None,
) -> None:
    """Remove a dataset that no task refers to."""
    with options.open_client(url, api_key) as client:
        client.remove_dataset(name)
    if not as_json:  # the API's answer is empty
        typer.echo(f"removed {name}")
